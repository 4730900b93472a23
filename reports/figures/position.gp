cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
keys = (nvariants + 2)/3
strip = 0.151*keys + 0.12
height = 1.95*rows + strip + 0.3
do for [format in formats] {
    load 'style.gp'
    set multiplot
    unset key
    set termoption enhanced; set logscale xy; set format y powers
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        set title panel_title(models[m], n[m], void_panels[m]) offset 0,-0.6 noenhanced
        eval decade_tics('y', decades_from[m], decades_to[m])
        set xrange [0.9:last[m]*1.3]
        set xtics (1, 4, 16, 64, 256, '1K' 1024, '4K' 4096, '16K' 16384)
        if (i >= nmodels-cols) { set xlabel 'position in the context' offset 0,0.5 } else { unset xlabel }
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'mean KL (nat)') }
        plot for [v=1:nvariants] data index i*nvariants+v-1 using 1:2 with linespoints \
                 lt curve_type(types[v], voids[i*nvariants+v]) ps 0.6 notitle
    }
    eval key_panel(keys)
    plot -1 with lines notitle, \
             for [v=1:nvariants] keyentry with linespoints lt types[v] ps 0.6 title key_name(labels[v], floors[v])
    unset multiplot
    unset output
}
