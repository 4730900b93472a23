# The look of every figure: edit this and run `gnuplot NAME.gp` again. Loaded once a format, with `format` (png, svg or
# pdf), `width` and `height` (inches) set. Colours: Okabe and Ito's palette, which colour-blind readers tell apart; in
# grey the line types do by dash and marker.
if (format eq 'png') {
    set terminal pngcairo size int(width*200),int(height*200) font 'Sans,7' fontscale 2.75 linewidth 2.4 pointscale 2.2
} else { if (format eq 'svg') {
    set terminal svg size int(width*96),int(height*96) font 'Sans,9.3' linewidth 1.2 enhanced background '#ffffff'
} else {
    set terminal pdfcairo size width,height font 'Sans,7' fontscale 1 linewidth 1.2 pointscale 0.55
} }
set output name.'.'.format
set encoding utf8
set datafile missing 'nan'
set termoption noenhanced

black = '#000000'; orange = '#E69F00'; sky = '#56B4E9'; green = '#009E73'
yellow = '#F0E442'; blue = '#0072B2'; vermillion = '#D55E00'; purple = '#CC79A7'; grey = '#707070'

# One line type a built-in variant, in the order of reports/figure.c.
set linetype 1  lc rgb black      lw 1.2 dt 1         pt 2  ps 0.6  # FP32
set linetype 2  lc rgb black      lw 1.2 dt (2,3)     pt 1  ps 0.6  # FP16
set linetype 3  lc rgb grey       lw 1.2 dt (8,3,2,3) pt 3  ps 0.6  # BF16
set linetype 4  lc rgb orange     lw 1.4 dt (9,4)     pt 8  ps 0.7  # INT8 per tensor
set linetype 5  lc rgb sky        lw 1.4 dt (5,3)     pt 10 ps 0.7  # INT8 per channel
set linetype 6  lc rgb blue       lw 1.8 dt 1         pt 7  ps 0.6  # Pattern A
set linetype 7  lc rgb blue       lw 1.2 dt (3,3)     pt 6  ps 0.6  # Pattern A, cached
set linetype 8  lc rgb sky        lw 1.2 dt 1         pt 6  ps 0.6  # Pattern A, packed
set linetype 9  lc rgb vermillion lw 1.8 dt 1         pt 5  ps 0.6  # legacy as documented
set linetype 10 lc rgb vermillion lw 1.2 dt (3,3)     pt 4  ps 0.6  # legacy, weights
set linetype 11 lc rgb vermillion lw 1.2 dt (8,3,2,3) pt 4  ps 0.6  # legacy, both
set linetype 12 lc rgb green      lw 1.4 dt (8,3,2,3) pt 9  ps 0.7  # "standard" as run
set linetype 13 lc rgb purple     lw 1.8 dt 1         pt 13 ps 0.7  # calibrated as documented
set linetype 14 lc rgb grey       lw 1.4 dt 1         pt 11 ps 0.7  # calibrated as run
set linetype 15 lc rgb purple     lw 1.4 dt (2,3)     pt 12 ps 0.7  # calibrated, range kept
set linetype 16 lc rgb purple     lw 1.2 dt (9,4)     pt 1  ps 0.6
set linetype 17 lc rgb purple     lw 1.2 dt (5,3)     pt 2  ps 0.6
set linetype 18 lc rgb purple     lw 1.2 dt (8,3,2,3) pt 3  ps 0.6
set linetype 19 lc rgb purple     lw 1.2 dt (2,2)     pt 8  ps 0.6
# A user's own variants.
do for [i=0:7] { set linetype 20+i lc rgb word('#000000 #009E73 #D55E00 #0072B2 #E69F00 #CC79A7 #56B4E9 #707070', i+1) \
    lw 1.4 dt (7,2,2,2,2,2) pt 4+2*(i%4) ps 0.6 }

set style line 100 lc rgb '#000000' lw 0.6           # axes
set style line 101 lc rgb '#c8c8c8' lw 0.4 dt 1      # grid
set border 3 ls 100
set tics nomirror out scale 0.6
set grid ls 101
set key Left reverse samplen 2.6 spacing 1.1 width -1
set format '%g'
unset title

# Panels on a grid of `cols` columns, the key under all. panel(i) counts from 0; strip: inches under the panels.
left_in = 0.66; right_in = 0.20; top_in = 0.26; bottom_in = 0.46; gap_in = 0.62; vgap_in = 0.66
panel_w(cols) = (width - left_in - right_in - (cols-1)*gap_in)/cols
panel_h(rows, strip) = (height - strip - top_in - bottom_in - (rows-1)*vgap_in)/rows
x0(i, cols) = (left_in + (i%cols)*(panel_w(cols)+gap_in))/width
x1(i, cols) = x0(i, cols) + panel_w(cols)/width
y1(i, cols, rows, strip) = 1 - (top_in + (i/cols)*(panel_h(rows, strip)+vgap_in))/height
y0(i, cols, rows, strip) = y1(i, cols, rows, strip) - panel_h(rows, strip)/height

# A key of up to `n` rows under all panels, centred at x; and text labels for rows 1, 2, ... of a y axis.
key_under(x, n) = sprintf("set key at screen %g, screen 0.012 center bottom vertical maxrows %d", x, n)
row_labels = "set ytics ("
add_row(s, text, at) = s.(at > 1 ? ", " : "")."'".text."' ".sprintf('%d', at)
