cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
keys = (nvariants + 1 + 2)/3
strip = 0.151*keys + 0.12
height = 1.95*rows + strip + 0.3
do for [format in formats] {
    load 'style.gp'
    set multiplot
    unset key
    set termoption enhanced; set logscale y; set format y powers
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        set title panel_title(models[m], n[m], 0) offset 0,-0.6 noenhanced
        eval decade_tics('y', decades_from[m], decades_to[m])
        set xrange [1-0.05*layers[m]+(layers[m] > 10):layers[m]*1.03]
        if (layers[m] > 10) { set xtics 10 } else { set xtics 1 }
        if (i >= nmodels-cols) { set xlabel 'layer' offset 0,0.5 } else { unset xlabel }
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'relative error') }
        plot for [v=1:nvariants] data index i*nvariants+v-1 using 1:(floors[v] ? NaN : $3):4 with filledcurves \
                 lt types[v] fs transparent solid 0.18 noborder notitle, \
             for [v=1:nvariants] data index i*nvariants+v-1 using 1:(floors[v] ? NaN : $5) with lines lt types[v] dt 1 lw 0.5 notitle, \
             for [v=1:nvariants] data index i*nvariants+v-1 using 1:2 with lines lt types[v] notitle, \
             for [v=1:nvariants] data index i*nvariants+v-1 \
                 every (layers[m] > 10 ? 5 : 1)::(layers[m] > 10 ? (v*2)%5 : 0) using 1:(floors[v] ? NaN : $2) \
                 with points lt types[v] notitle
    }
    eval key_panel(keys)
    plot -1 with lines notitle, \
             for [v=1:nvariants] keyentry with linespoints lt types[v] ps (floors[v] ? 0 : 0.6) \
                 title key_name(labels[v], floors[v]), \
             keyentry with lines dt 1 lc rgb grey lw 0.6 title 'thin: local error'
    unset multiplot
    unset output
}
