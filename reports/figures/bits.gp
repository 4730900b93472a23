cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
keys = (nvariants + 4 + 2)/3
strip = 0.151*keys + 0.12
height = 2.15*rows + strip + 0.3
array floor_types[3] = [20, 2, 3]
array floor_names[3] = ['floor: FP32 reordered', 'floor: FP16 weights', 'floor: BF16 weights']
floor_drawn(f) = sum [k=1:nmodels] (floor_kl[(k-1)*3+f] > 0 ? 1 : 0)
do for [format in formats] {
    load 'style.gp'
    set multiplot
    unset key
    set termoption enhanced; set logscale y; set format y powers
    blocks = nvariants+1
    do for [m=1:nmodels] {
        i = m-1
        eval place(i, cols, rows, strip)
        set title tx(models[m]) offset 0,-0.6 noenhanced
        if (i >= nmodels-cols) { set xlabel tx(xname[1]) offset 0,0.5 } else { unset xlabel }
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'mean KL(FP32 || variant) (nat)') }
        set xrange [0:xmax]; set xtics 0,4
        eval decade_tics('y', decades_from[m], decades_to[m])
        plot data index i*blocks+nvariants using 1:2 with steps lc rgb grey lw 1.0 dt 1 notitle, \
             for [f=1:3] '+' using ($0 == 0 ? 0.0 : $0 == 1 ? xmax : NaN):(floor_kl[i*3+f] > 0 ? floor_kl[i*3+f] : NaN) \
                 with lines lt floor_types[f] notitle, \
             for [v=1:nvariants] data index i*blocks+v-1 using 2:3:4:5 with yerrorbars \
                 lt curve_type(types[v], voids[i*nvariants+v]) dt 1 lw 1.2 ps 1.0 notitle, \
             for [v=1:nvariants] data index i*blocks+v-1 using 2:3 with points \
                 lt curve_type(types[v], voids[i*nvariants+v]) ps 1.0 notitle
    }
    eval key_panel(keys)
    plot -1 with lines notitle, \
             for [v=1:nvariants] keyentry with points lt types[v] ps 1.0 title tx(labels[v]), \
             keyentry with lines lc rgb grey lw 1.0 dt 1 title 'Pareto front', \
             for [f=1:3] keyentry with lines lt (floor_drawn(f) ? floor_types[f] : -2) \
                 title (floor_drawn(f) ? tx(floor_names[f]) : ' ')
    unset multiplot
    unset output
}
