cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
keys = 2
strip = 0.151*keys + 0.12
height = 2.5*rows + strip + 0.3
blocks = 4
do for [format in formats] {
    load 'style.gp'
    set multiplot
    unset key
    set termoption enhanced; set logscale y; set format y powers
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        set title tx(models[m]) offset 0,-0.6 noenhanced
        if (i >= nmodels-cols) { set xlabel tx('bits a weight of what is encoded') offset 0,0.5 } else { unset xlabel }
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'mean KL(FP32 || variant) (nat)') }
        set xrange [xmin:xmax]; set xtics autofreq
        eval decade_tics('y', decades_from[m], decades_to[m])
        plot data index i*blocks+3 using 1:2 with steps lc rgb grey lw 1.0 dt 1 notitle, \
             data index i*blocks+2 using 1:2 with points lc rgb '#a0a0a0' pt 1 ps 0.35 notitle, \
             data index i*blocks+1 using 1:2 with points lc rgb sky pt 6 ps 0.45 notitle, \
             data index i*blocks using 1:2:3:4 with yerrorbars lc rgb blue pt 7 ps 0.5 lw 0.8 dt 1 notitle
    }
    eval key_panel(keys)
    plot -1 with lines notitle, \
         keyentry with points lc rgb blue pt 7 ps 0.5 title tx('most positions'), \
         keyentry with points lc rgb sky pt 6 ps 0.45 title tx('about half of them'), \
         keyentry with points lc rgb '#a0a0a0' pt 1 ps 0.35 title tx('a quarter of them or fewer'), \
         keyentry with lines lc rgb grey lw 1.0 dt 1 title tx('Pareto front')
    unset multiplot
    unset output
}
