height = 2*(0.24*nvariants + 0.3) + 1.75
strip = 0.34
do for [format in formats] {
    load 'style.gp'
    left_in = 1.78; gap_in = 0.35; vgap_in = 0.72
    array colours[3] = [blue, orange, green]
    array marks[3] = [7, 9, 5]
    array titles[4] = ['decode step, time / FP32', 'prefill, time / FP32', 'weights decoded (GB/s)', 'prefill (GFLOP/s)']
    set multiplot
    set yrange [nvariants+0.6:0.4]; set grid noytics
    do for [p=1:4] {
        i = p-1
        eval place(i, 2, 2, strip)
        list = row_labels
        do for [v=1:nvariants] { list = add_row(list, i%2 == 0 ? labels[v] : '', v) }
        eval list.') scale 0'
        set xlabel tx(titles[p]) offset 0,0.5
        unset arrow
        ceiling = p == 3 ? memcpy_gbs : p == 4 ? sgemm_gflops : 1
        set arrow 1 from ceiling, graph 0 to ceiling, graph 1 nohead lc rgb black lw 1 dt (5,3) back
        unset label
        if (p >= 3) {
            set label 1 (p == 3 ? 'memcpy' : 'sgemm') at ceiling, graph 1 offset 0,0.5 center
        } else {
            set label 1 'FP32' at 1, graph 1 offset 0,0.5 center
        }
        set xrange [0:*]
        if (p == 1) { eval key_under(0.5, 1) } else { unset key }
        plot data index 0 every ::0::0 using (ceiling*1.06):(1) with points ps 0 notitle, \
            for [m=1:nmodels] data index m-1 using (column(3*p-1)):($1+0.22*(m-0.5*(nmodels+1))):(column(3*p)):(column(3*p+1)) \
            with xerrorbars pt marks[m] ps 0.7 lc rgb colours[m] lw 1.2 dt 1 title tx(models[m])
    }
    unset multiplot
    unset output
}
