cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
strip = 0.60
width = 7.0; height = 2.3*rows + strip + 0.2
array groups[6] = ['attention', 'MLP', 'embedding', 'head', 'biases, norms, pos.', 'decoded copies']
do for [format in formats] {
    load 'style.gp'
    bottom_in = 0.80; vgap_in = 1.05
    array fills[6] = [blue, sky, orange, green, black, vermillion]
    array patterns[6] = [3, 6, 2, 1, 3, 7]
    set multiplot
    set xtics rotate by 35 right scale 0; set grid noxtics
    do for [m=1:nmodels] {
        i = m-1
        set lmargin at screen x0(i,cols); set rmargin at screen x1(i,cols)
        set tmargin at screen y1(i,cols,rows,strip); set bmargin at screen y0(i,cols,rows,strip)
        set title models[m] offset 0,-0.6
        set yrange [0:*]
        set ytics 5
        if (i%cols == 0) { set ylabel 'stored weights (MiB)' offset 0.3,0 } else { unset ylabel }
        if (m == 1) { eval key_under(0.5, 3) } else { unset key }
        set xrange [-0.6:nrows[m]-0.4]
        plot data index i using 0:(0):xtic(1) with points ps 0 notitle, \
             for [g=1:6] data index i using (column(g+1) > 0 ? $0 : NaN):(0):($0-0.36):($0+0.36): \
                 (sum [k=2:g] column(k)):(sum [k=2:g+1] column(k)) with boxxyerror \
                 lc rgb fills[g] dt 1 lw 0.8 fs pattern patterns[g] border title groups[g], \
             data index i using ($0 == pattern_row[m]-1 ? $0 : NaN):8 with points pt 13 ps 1.7 lc rgb black \
                 title 'published formula', \
             data index i using ($0 == pattern_row[m]-1 ? $0 : NaN):8 with points pt 13 ps 0.9 lc rgb yellow notitle
    }
    unset multiplot
    unset output
}
