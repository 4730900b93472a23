#!/bin/bash
# report and show on a small run: the pages agree with the result file, and what is wrong is said.
. "$(dirname "$0")/lib.sh"
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
# `again` moves the weights of one matrix by a last bit (127 * (x / 127)): less than every sum in another order does.
cat >"$TMP/tiny.yaml" <<'Y'
name: tiny
models:
  tiny: {generator: transformer, vocab: 64, hidden: 256, layers: 2, seed: 42, prompt: {random: 8, seed: 123}, corpus: {greedy: 20}}
variants:
  [fp32, fp32-reordered, bf16, pattern-a, int8-tensor,
   {name: again, codec: int8, options: {scope: "group:1"}, placement: [mlp.down], tensors: [layers.1.mlp.down.weight]}]
experiments: {greedy: {steps: 40}, teacher-forced: {}, memory: {}}
Y
check "a small suite runs" "$QINSBENCH" run "$TMP/tiny.yaml" -o "$TMP/r.h5" -q
said=$("$QINSBENCH" report "$TMP/r.h5" -o "$TMP/rep" 2>&1)
same "report: exit 0" $? 0
for file in index.html report.md tex/example.tex tex/values.tex tex/tiny.greedy.tex tables/tiny.greedy.csv figures/match.svg; do
    check "report writes $file" test -s "$TMP/rep/$file"
done
has "it says what it wrote" "$said" "page         $TMP/rep/index.html"
has "unresolved values wear a badge" "$(cat "$TMP/rep/index.html")" ">unresolved</span>"
has "so do floors" "$(cat "$TMP/rep/index.html")" "title=\"what BF16 weights alone cost\">floor</span>"
has "figures stand in the page" "$(cat "$TMP/rep/index.html")" '<figure id="figure.match">'

# Every row of /summary is in the page, in Markdown or CSV, and in values.tex; the row number leads back to it.
rows=$("$QINSBENCH" show "$TMP/r.h5" --output csv | tail -n +2 | tr -d '\r' | cut -d, -f1-4 | tr , . | sort)
same "CSV has every value" "$(cut -d, -f1 "$TMP"/rep/tables/tiny.*.csv | grep -v '^anchor' | sort)" "$rows"
same "the page has every value" "$(grep -o '<td id="[^"]*"' "$TMP/rep/index.html" | cut -d'"' -f2 | sort)" "$rows"
same "each value leads to its source" "$(grep -o '<tr id="from\.[^"]*"' "$TMP/rep/index.html" | cut -d'"' -f2 | sed 's/^from\.//' | sort)" "$rows"
dangling=$(comm -13 <(grep -o ' id="[^"]*"' "$TMP/rep/index.html" | cut -d'"' -f2 | sort -u) \
    <(grep -o ' href="#[^"]*"' "$TMP/rep/index.html" | cut -d'"' -f2 | cut -c2- | sort -u))
same "no link leads nowhere" "$dangling" ""
twice=$(grep -o ' id="[^"]*"' "$TMP/rep/index.html" | sort | uniq -d)
same "no id stands twice" "$twice" ""
line=$(tail -n 1 "$TMP/rep/tables/tiny.memory.csv" | tr -d '\r')
row=${line##*,}
dump=$(h5dump -d /summary -s "$row" -c 1 "$TMP/r.h5" 2>&1)
has "summary_row is the row of /summary (metric)" "$dump" "\"$(cut -d, -f5 <<<"$line")\""
has "summary_row is the row of /summary (variant)" "$dump" "\"$(cut -d, -f3 <<<"$line")\""
missing=$(grep -oh '/cells/[^ ,"]*' "$TMP"/rep/tables/*.csv | sort -u |
    while read -r path; do h5ls "$TMP/r.h5$path" >/dev/null 2>&1 || echo "$path"; done)
same "every dataset named is in the file" "$missing" ""

"$QINSBENCH" report "$TMP/r.h5" -o "$TMP/again" >/dev/null 2>&1
same "written twice, the page is the same" "$(cmp "$TMP/rep/index.html" "$TMP/again/index.html" 2>&1)" ""
"$QINSBENCH" report "$TMP/r.h5" -o "$TMP/few" --format csv,md --figures none >/dev/null 2>&1
same "--format and --figures choose" "$(ls "$TMP/few" | xargs)" "report.md tables"
"$QINSBENCH" report "$TMP/r.h5" -o "$TMP/one" --only match --figures svg >/dev/null 2>&1
same "--only draws one figure and no pages" "$(ls "$TMP/one" | xargs) $(ls "$TMP/one/figures"/*.svg | wc -l)" "figures 1"

refused() { # NAME PART ARGUMENTS...
    local name=$1 part=$2 output status
    shift 2
    output=$("$QINSBENCH" report "$@" 2>&1)
    status=$?
    same "$name: exit 2" $status 2
    has "$name: says why" "$output" "$part"
}
refused "picture formats under --format" "are given with --figures" "$TMP/r.h5" -o "$TMP/x" --format png
refused "an unknown format" "expected a list of html, md, tex, csv" "$TMP/r.h5" -o "$TMP/x" --format docx
refused "an unknown picture format" "gif" "$TMP/r.h5" -o "$TMP/x" --figures gif
refused "--only with pages" "--only draws one figure" "$TMP/r.h5" -o "$TMP/x" --only match --format html
refused "--pdf without tex" "--pdf needs tex" "$TMP/r.h5" -o "$TMP/x" --format html --pdf
refused "a ledger that is not there" "nowhere" "$TMP/r.h5" -o "$TMP/x" --figures none --claims "$TMP/nowhere"
mkdir -p "$TMP/bin"
for tool in gnuplot; do ln -s "$(command -v $tool)" "$TMP/bin/$tool"; done
output=$(PATH="$TMP/bin" "$QINSBENCH" report "$TMP/r.h5" -o "$TMP/x" --figures none --pdf 2>&1)
same "no pdflatex: exit 2" $? 2
has "no pdflatex: says what to install" "$output" "texlive-latex-base"
check "no pdflatex: the LaTeX files are there" test -s "$TMP/x/tex/example.tex"
printf '#!/bin/sh\necho "! Undefined control sequence."\nexit 1\n' >"$TMP/bin/pdflatex"
chmod +x "$TMP/bin/pdflatex"
output=$(PATH="$TMP/bin:/bin" "$QINSBENCH" report "$TMP/r.h5" -o "$TMP/x" --figures none --pdf 2>&1)
same "a failing pdflatex: exit 2" $? 2
has "a failing pdflatex is quoted" "$output" "Undefined control sequence"

# show
table=$("$QINSBENCH" show "$TMP/r.h5" --metric match_rate)
same "show prints no heading without a wanted metric" "$(grep -c '^memory\|^teacher-forced' <<<"$table")" 0
has "a degenerate value is in parentheses" "$table" ")*"
kl=$("$QINSBENCH" show "$TMP/r.h5" --metric kl_mean)
has "what is within the floor is marked" "$(grep '^ *again' <<<"$kl")" "~"
has "and explained too" "$kl" "~         unresolved"
same "what is beyond it is not" "$(grep '^ *bf16' <<<"$kl" | grep -c '~')" 0
has "and explained" "$table" "*         degenerate"
said=$("$QINSBENCH" show "$TMP/r.h5" --metric match_rat 2>&1)
same "a metric that nobody has: exit 2" $? 2
has "the nearest is named" "$said" "did you mean 'match_rate'?"
finish
