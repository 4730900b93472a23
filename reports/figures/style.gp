# The look of every figure: edit this and run `gnuplot NAME.gp` again. Loaded once a format, with `format` (png, svg, pdf
# or tex), `width` and `height` (inches) set. Colours: Okabe and Ito's palette, which colour-blind readers tell apart; in
# grey the line types do by dash and marker. The width is that of a two-column page (7 in) or of one column (3.4 in).
reset # what the format drawn before left
if (format eq 'png') {
    set terminal pngcairo size int(width*200),int(height*200) font 'Sans,7' fontscale 2.75 linewidth 2.4 pointscale 2.2
} else { if (format eq 'svg') {
    set terminal svg size int(width*96),int(height*96) font 'Sans,9.3' linewidth 1.2 enhanced background '#ffffff'
} else { if (format eq 'tex') {
    set terminal cairolatex pdf size width,height font ',7' fontscale 1 linewidth 1.2 pointscale 0.72 colourtext \
        header '\fontsize{7}{8.4}\selectfont'
} else {
    set terminal pdfcairo size width,height font 'Sans,7' fontscale 1 linewidth 1.2 pointscale 0.72
} } }
set output format eq 'tex' ? name.'-tex.tex' : name.'.'.format
set encoding utf8
set datafile missing 'nan'
set termoption noenhanced

# Text as the format wants it: every string that is shown goes through tx(). No name goes through `eval`, which would
# expand @macros in it. What pdflatex's fonts may lack becomes '?'.
# (A [ at a text's start would be gnuplot's own; {} parts what would become a ligature.)
tex_plain = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;()/*+=@…'
tex_char(c) = strstrt(tex_plain, c) > 0 ? c : strstrt('-`?!'."'", c) > 0 ? c.'{}' : strstrt('_&#${}', c) > 0 ? '\'.c : \
    strstrt('|<>', c) > 0 ? '$'.c.'$' : c eq '"' ? '\char34{}' : c eq '%' ? '\char37{}' : c eq '[' ? '\char91{}' : \
    c eq ']' ? '\char93{}' : c eq '^' ? '\^{}' : c eq '~' ? '\~{}' : c eq '\' ? '$\backslash$' : c eq "\n" ? "\n" : '?{}'
half(s) = int(strlen(s)/2)  # text by halves, not letter by letter: gnuplot's stack is short
tex_text(s) = strlen(s) == 0 ? '' : strlen(s) == 1 ? tex_char(s) : tex_text(s[1:half(s)]).tex_text(s[half(s)+1:*])
# gnuplot's SVG keeps every > as it is, and XML has no ]]> in a text: there it is a full-width one.
svg_text(s) = strstrt(s, ']]>') == 0 ? s : s[1:strstrt(s, ']]>')+1].'＞'.svg_text(s[strstrt(s, ']]>')+3:*])
tx(s) = format eq 'tex' ? tex_text(s) : format eq 'svg' ? svg_text(s) : s
powers = format eq 'tex' ? '$10^{%T}$' : '10^{%T}'  # format of a logarithmic axis; needs `set termoption enhanced`
set format (format eq 'tex' ? '$%g$' : '%g')

black = '#000000'; orange = '#E69F00'; sky = '#56B4E9'; green = '#009E73'
yellow = '#F0E442'; blue = '#0072B2'; vermillion = '#D55E00'; purple = '#CC79A7'; grey = '#707070'

# Line type n, and n + 50 for the same variant's void (degenerate) runs: greyed, thin, hollow.
void_grey = '#a0a0a0'
hollow(pt) = pt >= 5 && pt <= 13 && pt%2 == 1 ? pt-1 : pt
look(n, colour, lw, dt, pt, ps) = sprintf("set linetype %d lc rgb '%s' lw %g dt %s pt %d ps %g; ", \
    n, colour, lw, dt, pt, ps).sprintf("set linetype %d lc rgb '%s' lw %g dt %s pt %d ps %g", \
    n+50, void_grey, 0.7*lw, dt, hollow(pt), ps)
# One line type a built-in variant, in the order of reports/figure_names.c.
eval look(1,  black,      1.2, '1',         2,  0.6)  # FP32
eval look(2,  black,      1.1, '(2,3)',     1,  0.6)  # FP16: a floor
eval look(3,  grey,       1.1, '(8,3,2,3)', 3,  0.6)  # BF16: a floor
eval look(4,  orange,     1.4, '(9,4)',     8,  0.7)  # INT8 per tensor
eval look(5,  sky,        1.4, '(5,3)',     10, 0.7)  # INT8 per channel
eval look(6,  blue,       1.8, '1',         7,  0.6)  # Pattern A
eval look(7,  blue,       1.2, '(3,3)',     6,  0.6)  # Pattern A, cached
eval look(8,  sky,        1.2, '1',         6,  0.6)  # Pattern A, packed
eval look(9,  vermillion, 1.8, '1',         5,  0.6)  # legacy as documented
eval look(10, vermillion, 1.2, '(3,3)',     4,  0.6)  # legacy, weights
eval look(11, vermillion, 1.2, '(8,3,2,3)', 4,  0.6)  # legacy, both
eval look(12, green,      1.4, '(8,3,2,3)', 9,  0.7)  # "standard" as run
eval look(13, purple,     1.8, '1',         13, 0.7)  # calibrated as documented
eval look(14, grey,       1.4, '1',         11, 0.7)  # calibrated as run
eval look(15, purple,     1.4, '(2,3)',     12, 0.7)  # calibrated, range kept
eval look(16, purple,     1.2, '(9,4)',     1,  0.6)
eval look(17, purple,     1.2, '(5,3)',     2,  0.6)
eval look(18, purple,     1.2, '(8,3,2,3)', 3,  0.6)
eval look(19, purple,     1.2, '(2,2)',     8,  0.6)
eval look(20, black,      1.1, '(12,4)',    4,  0.6)  # FP32 reordered: the arithmetic floor
eval look(21, green,      1.4, '(5,2,2,2)', 14, 0.7)  # calibrated, stored
# Other variants: in no colour a mark that a built-in of that colour has.
other_marks = '6 4 6 4 4 4 4 4  8 6 8 8 6 6 8 6  10 8 10 10 10 10 12 8'
do for [i=0:23] { eval look(24+i, word('#000000 #009E73 #D55E00 #0072B2 #E69F00 #CC79A7 #56B4E9 #707070', i%8+1), \
    1.4, word('(7,2,2,2,2,2) (3,2) (10,3)', i/8+1), int(word(other_marks, i+1)), 0.6) }

set style line 100 lc rgb '#000000' lw 0.6           # axes
set style line 101 lc rgb '#c8c8c8' lw 0.4 dt 1      # grid
set border 3 ls 100
set tics nomirror out scale 0.6
set grid ls 101
set errorbars 0.5
key_look = "set key Left reverse samplen 2.6 spacing 1.1 width -1 noenhanced"
eval key_look

# Panels on a grid of `cols` columns, the key under all. place(i, ...) counts from 0; strip: inches under the panels.
left_in = 0.66; right_in = 0.20; top_in = 0.26; bottom_in = 0.46; gap_in = 0.62; vgap_in = 0.66
panel_w(cols) = (width - left_in - right_in - (cols-1)*gap_in)/cols
panel_h(rows, strip) = (height - strip - top_in - bottom_in - (rows-1)*vgap_in)/rows
x0(i, cols) = (left_in + (i%cols)*(panel_w(cols)+gap_in))/width
x1(i, cols) = x0(i, cols) + panel_w(cols)/width
y1(i, cols, rows, strip) = 1 - (top_in + (i/cols)*(panel_h(rows, strip)+vgap_in))/height
y0(i, cols, rows, strip) = y1(i, cols, rows, strip) - panel_h(rows, strip)/height
place(i, cols, rows, strip) = sprintf("set lmargin at screen %g; set rmargin at screen %g; ", x0(i,cols), x1(i,cols)). \
    sprintf("set tmargin at screen %g; set bmargin at screen %g", y1(i,cols,rows,strip), y0(i,cols,rows,strip))

# Tics of a logarithmic axis ('x' or 'y') from 10^from to 10^to: at most seven labels, minor tics where each decade has
# one. (Between labels many decades apart gnuplot would draw millions of minor tics.)
decade_tics(axis, from, to) = sprintf("set %srange [%g:%g]; set %stics %g; set m%stics %s", axis, 10.0**from, 10.0**to, \
    axis, 10.0**((int(to-from)+5)/6), axis, to-from > 6 ? "1" : "default")
# The y axis' name, at a fixed place left of the panel, however wide the tics' labels are.
y_name(i, cols, rows, strip, text) = (y_text = text, \
    sprintf("set label 90 tx(y_text) at screen %g, screen %g center rotate by 90 noenhanced", \
    x0(i,cols) - 0.545/width, 0.5*(y0(i,cols,rows,strip) + y1(i,cols,rows,strip))))

# A key of up to `n` rows under all panels, centred at x; and text labels for rows 1, 2, ... of a y axis.
key_under(x, n) = sprintf("set key at screen %g, screen %g center bottom vertical maxrows %d", x, 0.04/height, n)
# The same as a panel of its own, after the others: it takes as many rows as it needs, and none of its entries depends on
# whether the first panel's curves have points.
key_panel(n) = "reset; unset border; unset tics; set xrange [0:1]; set yrange [0:1]; set lmargin at screen 0; ". \
    "set rmargin at screen 1; set bmargin at screen 0; set tmargin at screen 1; ".key_look."; ".key_under(0.5, n)
row_tics = "set ytics noenhanced offset 0.4,0 ('' -1) scale 0"  # then: set ytics add (row_name(text) row)
# A tic's label with a % is a format, and gnuplot cuts what it makes of one at 49 bytes, inside a character as well: in a
# text that may be longer the % is the full-width one.
row_name(text) = percents(tx(text), strlen(text) > 12 ? '％' : '%%')
percents(s, p) = strstrt(s, '%') == 0 ? s : strlen(s) == 1 ? p : percents(s[1:half(s)], p).percents(s[half(s)+1:*], p)

# Curves: the title of a panel, its grey ground when every run in it is void, the key's text of a variant, the line type
# of a curve. Markers stand apart from variant to variant, so that curves on one another show theirs in turn.
panel_title(model, n, void) = tx(model.' ('.n.')'.(void ? ', void' : ''))
void_ground(void) = void ? "set object 1 rectangle from graph 0, graph 0 to graph 1, graph 1 behind fc rgb '#f0f0f0' ". \
    "fs solid 1 noborder" : "unset object 1"
key_name(label, floor) = tx((floor ? 'floor: ' : '').label)
curve_type(type, void) = type + 50*void
