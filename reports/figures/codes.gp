cols = nmodels
rows = nvariants
strip = 0.05
height = 1.45*rows + 0.45
do for [format in formats] {
    load 'style.gp'
    vgap_in = 0.48
    array colours[4] = [blue, orange, sky, green]
    set multiplot
    unset key
    set xrange [-1.04:1.04]; set xtics -1,0.5,1
    do for [k=1:rows*cols] {
        i = k-1
        eval place(i, cols, rows, strip)
        set title tx(titles[k]) offset 0,-0.7
        set label 1 counts[k] at graph 0.02, graph 0.9 left
        set yrange [*:*] # stats looks only inside the range
        stats data index i using 2 nooutput
        top = exists('STATS_max') && STATS_max > 0 ? STATS_max : 1
        set yrange [0:top*1.1]
        step = top > 6 ? 2 : top > 2.5 ? 1 : top > 0.9 ? 0.5 : top > 0.3 ? 0.2 : 0.05
        set ytics step
        if (i >= (rows-1)*cols) { set xlabel 'code / largest code' offset 0,0.5 } else { unset xlabel }
        unset label 90; if (i%cols == 0) { eval y_name(i, cols, rows, strip, 'weights (%)') }
        plot data index i using 1:2 with impulses lw 0.8 lc rgb colours[1+(i/cols)%4] notitle
    }
    unset multiplot
    unset output
}
