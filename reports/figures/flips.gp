cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
strip = 0.38
height = rows*(0.27*nvariants + 0.75) + strip + 0.1
do for [format in formats] {
    load 'style.gp'
    left_in = 1.78; gap_in = 0.28
    set multiplot
    unset key
    # Linear near 0, logarithmic beyond: differences of 0.05% and of 30% on one axis, of either sign.
    near = 0.1
    bend(x) = asinh(x/near); unbend(y) = near*sinh(y)
    set nonlinear x via bend(x) inverse unbend(x)
    set yrange [nvariants+0.6:0.4]; set xrange [-100:100]
    set grid noytics
    set xtics (-10, -1, 0, 1, 10, '' -0.1 1, '' 0.1 1, '' -100 1)
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        set title tx(models[m]) offset 0,-0.6
        if (i >= nmodels-cols) { set xlabel tx('positions (%)') offset 0,0.5 } else { unset xlabel }
        eval row_tics
        do for [v=1:nvariants] { set ytics add (row_name(i%cols == 0 ? labels[v] : '') v) }
        unset arrow
        do for [r=1:nvariants-1] { set arrow r from graph 0, first r+0.5 to graph 1, first r+0.5 nohead ls 101 back }
        set arrow 99 from 0, graph 0 to 0, graph 1 nohead lc rgb black lw 0.6 back
        if (floor_flips[m] > 0) { set arrow 98 from floor_flips[m], graph 0 to floor_flips[m], graph 1 nohead lt 20 back }
        plot data index i using 2:($1-0.24):3:4 with xerrorbars pt 9 ps 0.8 lc rgb vermillion lw 1.2 dt 1 notitle, \
             data index i using 5:1:6:7 with xerrorbars pt 11 ps 0.8 lc rgb blue lw 1.2 dt 1 notitle, \
             data index i using 8:($1+0.24):9:10 with xerrorbars pt 13 ps 0 lc rgb black lw 1.2 dt 1 notitle, \
             data index i using 2:($1-0.24) with points pt 9 ps 0.8 lc rgb vermillion notitle, \
             data index i using 5:1 with points pt 11 ps 0.8 lc rgb blue notitle, \
             data index i using ($11 < 0.05 ? NaN : $8):($1+0.24) with points pt 13 ps 1.0 lc rgb 'white' notitle, \
             data index i using ($11 < 0.05 ? NaN : $8):($1+0.24) with points pt 12 ps 0.9 lw 0.8 lc rgb black notitle, \
             data index i using ($11 < 0.05 ? $8 : NaN):($1+0.24) with points pt 13 ps 0.9 lc rgb black notitle
    }
    floor_drawn = sum [m=1:nmodels] (floor_flips[m] > 0 ? 1 : 0)
    eval key_panel(2)
    plot -1 with lines notitle, \
             keyentry with points pt 9 ps 0.8 lc rgb vermillion title 'to wrong', \
             keyentry with points pt 11 ps 0.8 lc rgb blue title 'to right', \
             keyentry with points pt 13 ps 0.9 lc rgb black title tx('net, p < 0.05'), \
             keyentry with points pt 12 ps 0.9 lc rgb black title 'net, not told from 0', \
             keyentry with lines lt (floor_drawn ? 20 : -2) title (floor_drawn ? 'floor: FP32 reordered' : ' ')
    unset multiplot
    unset output
}
