cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
strip = 0.52
width = 7.0; height = 1.95*rows + strip + 0.3
do for [format in formats] {
    load 'style.gp'
    set multiplot
    set logscale y; set format y '10^{%T}'; set termoption enhanced
    do for [m=1:nmodels] {
        i = m-1
        set lmargin at screen x0(i,cols); set rmargin at screen x1(i,cols)
        set tmargin at screen y1(i,cols,rows,strip); set bmargin at screen y0(i,cols,rows,strip)
        set title models[m].' ('.n[m].')' offset 0,-0.6 noenhanced
        set xrange [1-0.05*layers[m]+(layers[m] > 10):layers[m]*1.03]
        if (layers[m] > 10) { set xtics 10 } else { set xtics 1 }
        if (i >= nmodels-cols) { set xlabel 'layer' offset 0,0.5 } else { unset xlabel }
        if (i%cols == 0) { set ylabel 'relative error' offset 0.6,0 } else { unset ylabel }
        if (m == 1) { eval key_under(0.5, 3); set key noenhanced } else { unset key }
        plot for [v=1:nvariants] data index i*nvariants+v-1 using 1:2 with linespoints lt types[v] \
                 pointinterval (layers[m] > 10 ? 5 : 1) title labels[v], \
             for [v=1:nvariants] data index i*nvariants+v-1 using 1:3 with lines lt types[v] dt 1 lw 0.5 notitle, \
             NaN with lines dt 1 lc rgb grey lw 0.6 title 'thin: local error'
    }
    unset multiplot
    unset output
}
