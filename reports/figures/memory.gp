cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
strip = 0.52
height = rows*(0.2*(nvariants < 4 ? 4 : nvariants) + 0.72) + strip + 0.1  # the key wants room, too
array groups[6] = ['attention', 'MLP', 'embedding', 'head', 'biases, norms, pos.', 'decoded copies']
do for [format in formats] {
    load 'style.gp'
    left_in = 1.78; gap_in = 0.30
    array fills[6] = [blue, sky, orange, green, black, vermillion]
    array patterns[6] = [0, 6, 2, 1, 0, 7]  # the first and the fifth are solid
    left(g) = g == 1 ? 0 : (sum [k=2:g] column(k)); right(g) = (sum [k=2:g+1] column(k))
    set multiplot
    set grid noytics
    set yrange [nvariants+0.6:0.4]
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        set title tx(models[m]) offset 0,-0.6
        if (i >= nmodels-cols) { set xlabel 'stored weights (MiB)' offset 0,0.5 } else { unset xlabel }
        eval row_tics
        do for [v=1:nvariants] { set ytics add (row_name(i%cols == 0 ? labels[v] : '') v) }
        set xrange [0:*]; set xtics autofreq
        if (m == 1) { eval key_under(0.5, 3) } else { unset key }
        plot for [g=1:1] data index i using (left(g) < right(g) ? left(g) : NaN):1:(left(g)):(right(g)):($1-0.36):($1+0.36) \
                 with boxxyerror lc rgb fills[g] dt 1 lw 0.8 fs solid 1 border title (groups_held[g] ? groups[g] : ''), \
             for [g=2:4] data index i using (left(g) < right(g) ? left(g) : NaN):1:(left(g)):(right(g)):($1-0.36):($1+0.36) \
                 with boxxyerror lc rgb fills[g] dt 1 lw 0.8 fs pattern patterns[g] border title (groups_held[g] ? groups[g] : ''), \
             for [g=5:5] data index i using (left(g) < right(g) ? left(g) : NaN):1:(left(g)):(right(g)):($1-0.36):($1+0.36) \
                 with boxxyerror lc rgb fills[g] dt 1 lw 0.8 fs solid 1 border title (groups_held[g] ? groups[g] : ''), \
             for [g=6:6] data index i using (left(g) < right(g) ? left(g) : NaN):1:(left(g)):(right(g)):($1-0.36):($1+0.36) \
                 with boxxyerror lc rgb fills[g] dt 1 lw 0.8 fs pattern patterns[g] border title (groups_held[g] ? groups[g] : ''), \
             data index i using ($1 == pattern_row ? $8 : NaN):1 with points pt 13 ps 1.7 lc rgb black \
                 title (pattern_row > 0 ? 'published formula' : ''), \
             data index i using ($1 == pattern_row ? $8 : NaN):1 with points pt 13 ps 0.9 lc rgb yellow notitle
    }
    unset multiplot
    unset output
}
