cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
strip = 0.30
height = 1.95*rows + strip + 0.25
do for [format in formats] {
    load 'style.gp'
    vgap_in = 0.66; bottom_in = 0.42
    set multiplot
    unset key
    set grid noxtics; set pointintervalbox 0.01  # error bars stand on filled boxes: no clearing around their points
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        set title tx(titles[m]) offset 0,-0.4
        set xtics scale 0 noenhanced
        u = units[m]; eval y_name(i, cols, rows, strip, unit_names[m])
        set yrange [*:*]; set xrange [*:*]
        stats data index i using ($3/u) name 'A' nooutput
        stats data index i using ($4/u) name 'B' nooutput
        stats data index i using (valid(6) ? $6/u : $4/u) name 'H' nooutput
        stats data index i using (valid(5) ? $5/u : $4/u) name 'L' nooutput
        top = H_max > B_max ? H_max : B_max; top = top > 0 ? top : 0
        low = L_min < B_min ? L_min : B_min; low = low < 0 ? low : 0
        room = 0.06*(top-low > 0 ? top-low : 1)
        set yrange [(low < 0 ? low-room : 0):top+room]; set xrange [0.4:bars[m]+0.6]
        set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead lc rgb black lw 0.6 back
        plot data index i using 1:(0):xticlabel(tx(stringcolumn(2)."\n".stringcolumn(10))) with points ps 0 notitle, \
             data index i using ($7 > 0 || $8 > 0 || $9 < 0 ? NaN : $1):($3/u):($1-0.34):($1+0.34):($3/u):($4/u) with boxxyerror \
                 lc rgb vermillion lw 0.8 dt 1 fs solid 1 border notitle, \
             data index i using ($7 > 0 || $8 > 0 || $9 >= 0 ? NaN : $1):($3/u):($1-0.34):($1+0.34):($3/u):($4/u) with boxxyerror \
                 lc rgb blue lw 0.8 dt 1 fs pattern 6 border notitle, \
             data index i using ($7 > 0 || $8 < 1 ? NaN : $1):($3/u):($1-0.34):($1+0.34):($3/u):($4/u) with boxxyerror \
                 lc rgb grey lw 0.8 dt (3,2) fs empty border notitle, \
             data index i using ($7 > 0 ? $1 : NaN):($3/u):($1-0.34):($1+0.34):($3/u):($4/u) with boxxyerror \
                 lc rgb grey lw 0.8 dt 1 fs solid 0.5 border lc rgb black notitle, \
             data index i using ($7 > 0 || $1 >= bars[m] ? NaN : $1+0.34):($4/u):(0.32):(0) with vectors nohead \
                 lc rgb black lw 0.6 dt (2,2) notitle, \
             data index i using 1:($4/u):($5/u):($6/u) with yerrorbars pt 7 ps 0.2 lc rgb black lw 1.0 dt 1 notitle
    }
    eval key_panel(1)
    plot -1 with lines notitle, \
             keyentry with boxes lc rgb vermillion lw 0.8 fs solid 1 border title 'adds KL', \
             keyentry with boxes lc rgb blue lw 0.8 fs pattern 6 border title 'mends', \
             keyentry with boxes lc rgb grey lw 0.8 dt (3,2) fs empty border title 'not resolved', \
             keyentry with boxes lc rgb grey lw 0.8 fs solid 0.5 border lc rgb black title 'total'
    unset multiplot
    unset output
}
