cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
keys = (nvariants + 1 + 2)/3
strip = 0.151*keys + 0.12
height = 1.95*rows + strip + 0.3
do for [format in formats] {
    load 'style.gp'
    set multiplot
    unset key
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        set title panel_title(models[m], n[m], 0) offset 0,-0.6 noenhanced
        set xrange [0:last[m]*1.03]; set yrange [0:most[m]*1.08]
        tens = 10**floor(log10(last[m])); apart = last[m] < 2*tens ? tens/2 : last[m] < 5*tens ? tens : 2*tens; set xtics apart
        if (i >= nmodels-cols) { set xlabel 'positions in the cache' offset 0,0.5 } else { unset xlabel }
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'memory (MiB)') }
        plot for [v=1:nvariants] data index i*nvariants+v-1 using 1:2 with lines lt types[v] notitle, \
             for [v=1:nvariants] data index i*nvariants+v-1 using 1:3 with lines lt types[v] dt (1,2) lw 0.9 notitle
    }
    eval key_panel(keys)
    plot -1 with lines notitle, \
             for [v=1:nvariants] keyentry with lines lt types[v] title key_name(labels[v], floors[v]), \
             keyentry with lines dt (1,2) lc rgb grey lw 0.9 title 'dotted: counted'
    unset multiplot
    unset output
}
