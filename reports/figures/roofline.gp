cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
keys = (nvariants + 4 + 2)/3
strip = 0.151*keys + 0.12
height = 2.1*rows + strip + 0.3
filled(v) = 5 + 2*((v-1)%6)   # five shapes and their hollow forms, one a variant, in its colour
do for [format in formats] {
    load 'style.gp'
    set multiplot
    unset key
    set termoption enhanced; set logscale xy; set format x powers; set format y powers
    set xrange [0.1:xmax]; set yrange [*:gflops_top*2]
    set samples 400
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        gbs = value(sprintf('read_gbs_%d', m)); gflops = value(sprintf('sgemm_gflops_%d', m))
        roof(x) = x*gbs < gflops ? x*gbs : gflops
        set title tx(models[m]) offset 0,-0.6 noenhanced
        if (i >= nmodels-cols) { set xlabel 'intensity (flop/byte)' offset 0,0.5 } else { unset xlabel }
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'GFLOP/s') }
        plot roof(x) with lines lc rgb black lw 1.2 dt (5,3) notitle, \
             for [v=1:nvariants] data index i*nvariants+v-1 using 1:2:3:4 with yerrorbars lt types[v] dt 1 lw 1.0 \
                 pt filled(v)-1 ps 0.9 notitle, \
             for [v=1:nvariants] data index i*nvariants+v-1 using 6:7:8:9 with yerrorbars lt types[v] dt 1 lw 1.0 \
                 pt filled(v) ps 0.9 notitle, \
             for [c=0:1] for [v=1:nvariants] data index i*nvariants+v-1 \
                 using (column(5*c+1)/1.13):(column(5*c+5)):(column(5*c+1)*(1.13-1/1.13)):(0) \
                 with vectors nohead lt types[v] dt 1 lw 1.6 notitle
    }
    eval key_panel(keys)
    plot -1 with lines notitle, \
             for [v=1:nvariants] keyentry with points lt types[v] pt filled(v) ps 0.9 title tx(labels[v]), \
             keyentry with points lc rgb black pt 7 ps 0.9 title 'filled: prefill', \
             keyentry with points lc rgb black pt 6 ps 0.9 title 'hollow: decode steps', \
             keyentry with lines lc rgb black lw 1.2 dt (5,3) title 'best ceilings', \
             keyentry with lines lc rgb black lw 1.6 dt 1 title 'own ceiling'
    unset multiplot
    unset output
}
