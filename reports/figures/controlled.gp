strip = 0.26
height = 0.28*nrows + 1.14
do for [format in formats] {
    load 'style.gp'
    left_in = 1.78; gap_in = 0.28; top_in = 0.34
    set multiplot
    set yrange [nrows+0.6:0.4]; set xrange [-4:104]; set xtics 0,25,100
    set grid noytics
    do for [p=1:2] {
        i = p-1
        eval place(i, 2, 1, strip)
        eval row_tics
        do for [r=1:nrows] { set ytics add (row_name(p == 1 ? labels[r] : '') r) }
        unset arrow
        do for [r=1:nrows-1] { set arrow r from graph 0, first r+0.5 to graph 1, first r+0.5 nohead ls 101 back }
        a = p == 1 ? 4 : 12; b = a+4  # first columns of the two models: value, lo, hi, void
        set title p == 1 ? 'untrained (source-), free-running' : 'trained (kjv-), teacher-forced' offset 0,-0.5
        set xlabel tx(p == 1 ? 'greedy match with FP32 (%)' : 'top-1 agreement with FP32 (%)') offset 0,0.5
        if (p == 1) { eval key_under(0.56, 1) } else { unset key }
        plot data index 0 using 2:($1-0.16) with points pt 4 ps (p == 1 ? 1.5 : 0) lw 1.3 lc rgb black notitle, \
             data index 0 using 3:($1+0.16) with points pt 4 ps (p == 1 ? 1.5 : 0) lw 1.3 lc rgb black notitle, \
             data index 0 using (column(a+3) > 0 ? NaN : column(a)):($1-0.16):(column(a+1)):(column(a+2)) with xerrorbars \
                 pt 7 ps 0.75 lc rgb blue lw 1.2 dt 1 notitle, \
             data index 0 using (column(b+3) > 0 ? NaN : column(b)):($1+0.16):(column(b+1)):(column(b+2)) with xerrorbars \
                 pt 9 ps 0.85 lc rgb vermillion lw 1.2 dt 1 notitle, \
             data index 0 using (column(a+3) > 0 ? NaN : column(a)):($1-0.16) with points pt 7 ps 0.75 lc rgb blue notitle, \
             data index 0 using (column(b+3) > 0 ? NaN : column(b)):($1+0.16) with points pt 9 ps 0.85 lc rgb vermillion notitle, \
             data index 0 using (column(a+3) > 0 ? column(a) : NaN):($1-0.16) with points pt 6 ps 0.75 lw 1.0 lc rgb void_grey notitle, \
             data index 0 using (column(b+3) > 0 ? column(b) : NaN):($1+0.16) with points pt 8 ps 0.85 lw 1.0 lc rgb void_grey notitle, \
             keyentry with points pt 7 ps 0.75 lc rgb blue title 'transformer', \
             keyentry with points pt 9 ps 0.85 lc rgb vermillion title 'chain', \
             keyentry with points pt 6 ps 0.75 lw 1.0 lc rgb void_grey title 'grey, hollow: void', \
             keyentry with points pt 4 ps 1.3 lw 1.3 lc rgb black title 'published'
    }
    unset multiplot
    unset output
}
