cols = nmodels > 1 ? 2 : 1
rows = (nmodels + cols - 1)/cols
keys = (nvariants + 2)/3
cell = 0.155   # inches of a row
strip = 0.151*keys + 0.74
tallest(r) = cols == 1 || 2*r+2 > nmodels ? ntensors[cols*r+1] : \
    ntensors[2*r+1] > ntensors[2*r+2] ? ntensors[2*r+1] : ntensors[2*r+2]
height = strip + 0.1 + (sum [r=0:rows-1] (cell*tallest(r) + 0.55))
do for [format in formats] {
    load 'style.gp'
    left_in = 1.35; gap_in = 1.45; right_in = 0.12
    set multiplot
    set palette defined (0 '#FFEA46', 1 '#CAB969', 2 '#958F78', 3 '#666970', 4 '#31446B', 5 '#00204D')
    unset grid; set border 0; unset key
    top = height - 0.26
    do for [m=1:nmodels] {
        i = m-1; r = i/cols
        high = top - (r > 0 ? (sum [k=0:r-1] (cell*tallest(k) + 0.55)) : 0)
        middle = least[m] + 0.5*(largest[m]-least[m])
        set cbrange [least[m]:largest[m]]
        set cbtics ("panel's least" least[m], "panel's largest" largest[m]) scale 0.3 offset 0,0.5
        set lmargin at screen x0(i,cols); set rmargin at screen x1(i,cols)
        set tmargin at screen high/height; set bmargin at screen (high - cell*ntensors[m])/height
        set title tx(models[m]) offset 0,-0.6
        set xrange [0.5:nvariants+0.5]; set xtics 1,1 scale 0 offset 0,0.4
        set yrange [ntensors[m]+0.5:0.5]
        eval row_tics
        do for [t=1:ntensors[m]] { eval sprintf("text = tensors_%d[%d]", m, t); set ytics add (row_name(text) t) }
        if (m == nmodels) {
            set label 91 tx('cells: log10 of mean KL (nat)') at screen 0.5, screen (0.151*keys+0.19)/height center
            do for [v=1:nvariants] {
                set label 91+v tx(sprintf('%d  %s', v, labels[v])) left \
                    at screen (0.35+2.2*((v-1)%3))/width, screen (0.09+0.151*(keys-1-(v-1)/3))/height
            }
        }
        if (m == nmodels) { set colorbox user horizontal origin 0.36,(0.151*keys+0.48)/height size 0.28,0.07/height } else { unset colorbox }
        plot data index i using ($4 > 0 ? NaN : $1):2:($1-0.48):($1+0.48):($2-0.46):($2+0.46):3 with boxxyerror \
                 fs solid 1 noborder lc palette notitle, \
             data index i using ($4 > 0 ? $1 : NaN):2:($1-0.48):($1+0.48):($2-0.46):($2+0.46) with boxxyerror \
                 lc rgb '#d4d4d4' lw 0.5 dt 1 fs pattern 4 border notitle, \
             data index i using ($4 > 0 || $3 < middle ? NaN : $1):2:(sprintf('%.1f', $3)) with labels tc rgb 'white' notitle, \
             data index i using ($4 > 0 || $3 >= middle ? NaN : $1):2:(sprintf('%.1f', $3)) with labels tc rgb black notitle, \
             data index i using ($4 > 0 ? $1 : NaN):2:('n.r.') with labels tc rgb black notitle
    }
    unset multiplot
    unset output
}
