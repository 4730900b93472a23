height = 0.34*nvariants + 1.25
strip = 0.34
do for [format in formats] {
    load 'style.gp'
    left_in = 1.78; gap_in = 0.3
    array titles[2] = ['values: error / rounding noise', 'codes: error / rounding noise']
    set multiplot
    set yrange [nvariants+0.6:0.4]; set grid noytics
    set logscale x; set xrange [0.009:2000]
    do for [p=1:2] {
        i = p-1
        eval place(i, 2, 1, strip)
        eval row_tics
        do for [v=1:nvariants] { set ytics add (row_name(p == 1 ? labels[v] : '') v) }
        set xlabel tx(titles[p]) offset 0,0.5
        unset arrow; unset label
        set arrow 1 from threshold, graph 0 to threshold, graph 1 nohead lc rgb black lw 1 dt (5,3) back
        set label 1 'linear up to '.sprintf('%g', threshold) at threshold, graph 1 offset 0,0.5 center
        set xrange [0.009:2000]
        if (p == 1) { eval key_under(0.5, 1) } else { unset key }
        a = 6*p-4
        plot data index 0 using (column(a)):($1-0.13):(column(a+1)):(column(a+2)) with xerrorbars \
                 pt 7 ps 0.7 lc rgb blue lw 1.2 dt 1 title 'additivity', \
             data index 0 using (column(a+3)):($1+0.13):(column(a+4)):(column(a+5)) with xerrorbars \
                 pt 8 ps 0.8 lc rgb vermillion lw 1.2 dt 1 title 'homogeneity'
    }
    unset multiplot
    unset output
}
