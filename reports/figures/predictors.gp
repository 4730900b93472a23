cols = 2
rows = 2
keys = (nmodels + 1)/2
strip = 0.151*keys + 0.12
height = 2.3*rows + strip + 0.3
do for [format in formats] {
    load 'style.gp'
    array colours[6] = [blue, vermillion, green, purple, orange, grey]
    array marks[6] = [6, 8, 4, 12, 10, 1]
    set multiplot
    unset key
    set termoption enhanced; set logscale y; set format y powers
    do for [p=1:4] {
        i = p-1
        eval place(i, cols, rows, strip)
        set title tx(panels[p]) offset 0,-0.6 noenhanced
        set xlabel tx('signal over error (dB)') offset 0,0.5
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'mean KL(FP32 || variant) (nat)') }
        eval decade_tics('y', decades_from[1], decades_to[1])
        do for [m=1:nmodels] { set label 90+m tx(ranks[i*nmodels+m]) at graph 0.03, graph 0.05+0.08*(nmodels-m) left noenhanced tc rgb colours[m] }
        plot for [m=1:nmodels] data index 2*(i*nmodels+m-1)+1 using 1:2 with lines lc rgb colours[m] lw 0.8 dt 1 notitle, \
             for [m=1:nmodels] data index 2*(i*nmodels+m-1) using 1:2 with points lc rgb colours[m] pt marks[m] ps 0.5 lw 0.9 notitle
    }
    eval key_panel(keys)
    plot -1 with lines notitle, \
         for [m=1:nmodels] keyentry with linespoints lc rgb colours[m] pt marks[m] ps 0.5 lw 0.9 title tx(models[m])
    unset multiplot
    unset output
}
