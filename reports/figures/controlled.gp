width = 7.0; height = 0.28*nrows + 1.4
strip = 0.52
do for [format in formats] {
    load 'style.gp'
    left_in = 1.70; gap_in = 0.28; top_in = 0.34
    set multiplot
    set yrange [nrows+0.6:0.4]; set xrange [-4:104]; set xtics 0,25,100
    set grid noytics
    do for [p=1:2] {
        i = p-1
        set lmargin at screen x0(i,2); set rmargin at screen x1(i,2)
        set tmargin at screen y1(i,2,1,strip); set bmargin at screen y0(i,2,1,strip)
        rows = row_labels
        do for [r=1:nrows] { rows = add_row(rows, p == 1 ? labels[r] : '', r) }
        eval rows.') scale 0'
        unset arrow
        do for [r=1:nrows-1] { set arrow r from graph 0, first r+0.5 to graph 1, first r+0.5 nohead ls 101 back }
        if (p == 1) {
            set title 'untrained models, free-running' offset 0,-0.5
            set xlabel 'greedy match with FP32 (%)' offset 0,0.5
            eval key_under(0.40, 3)
            plot data index 0 using 2:($1-0.16) with points pt 4 ps 1.5 lw 1.3 lc rgb black title 'published', \
                 data index 0 using 3:($1+0.16) with points pt 4 ps 1.5 lw 1.3 lc rgb black notitle, \
                 data index 0 using 4:($1-0.16) with points pt 7 ps 0.75 lc rgb blue title 'source-transformer', \
                 data index 0 using 7:($1+0.16) with points pt 9 ps 0.85 lc rgb vermillion title 'source-chain'
        } else {
            set title 'trained models, teacher-forced' offset 0,-0.5
            set xlabel 'top-1 agreement with FP32 (%)' offset 0,0.5
            eval key_under(0.80, 3)
            plot data index 0 using 10:($1-0.16):11:12 with xerrorbars pt 7 ps 0.75 lc rgb blue lw 1.2 dt 1 notitle, \
                 data index 0 using 13:($1+0.16):14:15 with xerrorbars pt 9 ps 0.85 lc rgb vermillion lw 1.2 dt 1 notitle, \
                 data index 0 using 10:($1-0.16) with points pt 7 ps 0.75 lc rgb blue title 'kjv-transformer', \
                 data index 0 using 13:($1+0.16) with points pt 9 ps 0.85 lc rgb vermillion title 'kjv-chain'
        }
    }
    unset multiplot
    unset output
}
