cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
void = (sum [k=1:nmodels*nvariants] voids[k]) > 0
keys = (nvariants + 1 + 2)/3
strip = 0.151*keys + 0.12
height = 1.95*rows + strip + 0.3
do for [format in formats] {
    load 'style.gp'
    set multiplot
    unset key
    set logscale x
    set yrange [-3:104]; set ytics 0,25,100
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        eval void_ground(void_panels[m])
        set title panel_title(models[m], n[m], void_panels[m]) offset 0,-0.6
        set xrange [1:steps[m]]
        if (i >= nmodels-cols) { set xlabel 'generated token (step)' offset 0,0.5 } else { unset xlabel }
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'equal so far (%)') }
        plot for [v=1:nvariants] data index i*nvariants+v-1 using 1:2 with lines \
                 lt curve_type(types[v], voids[i*nvariants+v]) notitle, \
             for [v=1:nvariants] data index i*nvariants+v-1 every 10::(v*3)%10 using 1:(floors[v] ? NaN : $2) \
                 with points lt curve_type(types[v], voids[i*nvariants+v]) notitle
    }
    eval key_panel(keys)
    plot -1 with lines notitle, \
             for [v=1:nvariants] keyentry with linespoints lt types[v] ps (floors[v] ? 0 : 0.6) \
                 title key_name(labels[v], floors[v]), \
             keyentry with lines lc rgb (void ? void_grey : 'white') title (void ? 'grey, hollow: void' : ' ')
    unset multiplot
    unset output
}
