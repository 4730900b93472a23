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
        eval row_tics
        do for [v=1:nvariants] { set ytics add (row_name(i%2 == 0 ? labels[v] : '') v) }
        set xlabel tx(titles[p]) offset 0,0.5
        unset arrow
        unset label
        if (p < 3) {
            set arrow 1 from 1, graph 0 to 1, graph 1 nohead lc rgb black lw 1 dt (5,3) back
            set label 1 'FP32' at 1, graph 1 offset 0,0.5 center
        } else {
            set label 1 'dashes: own ceiling' at graph 1, graph 1 offset 0,0.5 right
        }
        set xrange [0:*]
        if (p == 1) { eval key_under(0.5, 1) } else { unset key }
        y(row, m) = row + 0.22*(m-0.5*(nmodels+1))
        own(p) = p < 3 ? 1 : 11+p   # column of the ceilings; none above
        plot data index 0 every ::0::0 using (p < 3 ? 1.06 : 0):(1) with points ps 0 notitle, \
            for [m=1:nmodels] data index m-1 using (p < 3 ? NaN : column(own(p))):(y($1, m)-0.13):(0):(0.26) \
            with vectors nohead lc rgb colours[m] lw 1.8 dt 1 notitle, \
            for [m=1:nmodels] data index m-1 using (column(3*p-1)):(y($1, m)):(column(3*p)):(column(3*p+1)) \
            with xerrorbars pt marks[m] ps 0.7 lc rgb colours[m] lw 1.2 dt 1 title tx(models[m])
    }
    unset multiplot
    unset output
}
