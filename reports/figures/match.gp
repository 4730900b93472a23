cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
strip = 0.52
width = 7.0; height = 1.95*rows + strip + 0.3
do for [format in formats] {
    load 'style.gp'
    set multiplot
    set logscale x
    set yrange [-3:104]; set ytics 0,25,100
    do for [m=1:nmodels] {
        i = m-1
        set lmargin at screen x0(i,cols); set rmargin at screen x1(i,cols)
        set tmargin at screen y1(i,cols,rows,strip); set bmargin at screen y0(i,cols,rows,strip)
        set title models[m].' ('.n[m].')' offset 0,-0.6
        set xrange [1:steps[m]]
        if (i >= nmodels-cols) { set xlabel 'generated token (step)' offset 0,0.5 } else { unset xlabel }
        if (i%cols == 0) { set ylabel 'equal so far (%)' offset 1.2,0 } else { unset ylabel }
        if (m == 1) { eval key_under(0.5, 3) } else { unset key }
        plot for [v=1:nvariants] data index i*nvariants+v-1 using 1:2 with linespoints lt types[v] \
            pointinterval 30 title labels[v]
    }
    unset multiplot
    unset output
}
