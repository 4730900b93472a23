#!/bin/bash
# The example document compiles, without an overfull line, and its pages hold tables and figures.
. "$(dirname "$0")/../cli/lib.sh"
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
"$ROOT/scripts/setup.sh" latex || exit 1
check "quick.yaml runs" "$QINSBENCH" run "$SUITES/quick.yaml" -o "$TMP/r.h5" -q
check "report --pdf compiles" "$QINSBENCH" report "$TMP/r.h5" -o "$TMP/rep" --pdf
check "the PDF is there" test -s "$TMP/rep/tex/example.pdf"
same "no line runs over" "$(grep -c '^Overfull' "$TMP/rep/tex/example.log")" 0
same "no reference is undefined" "$(grep -c 'undefined' "$TMP/rep/tex/example.log")" 0
text=$(pdftotext -layout "$TMP/rep/tex/example.pdf" - 2>/dev/null)
has "a table" "$text" "Table 1:"
has "a figure" "$text" "Figure 1:"
has "flags are explained" "$text" "degenerate: "
# \qbvalue prints a value by its anchor, and an anchor that is none stops the run.
anchor=$(grep -o 'qb@[^\\]*' "$TMP/rep/tex/values.tex" | sed -n 3p | cut -c4-)
printf '\\documentclass{article}\\usepackage{siunitx}\\input{values.tex}\\begin{document}\\qbvalue{%s}\\end{document}\n' \
    "$anchor" >"$TMP/rep/tex/cite.tex"
check "a value can be cited" env -C "$TMP/rep/tex" pdflatex -interaction=nonstopmode -halt-on-error cite.tex
sed -i "s/qbvalue{/qbvalue{x/" "$TMP/rep/tex/cite.tex"
env -C "$TMP/rep/tex" pdflatex -interaction=nonstopmode -halt-on-error cite.tex >"$TMP/log" 2>&1
same "a wrong anchor is an error" $? 1
has "and is named" "$(cat "$TMP/log")" "no value x$anchor"
# Texts of strangers: a codec's messages, a suite's texts, names with all that a name may hold.
${CC:-cc} -O1 -fPIC -shared -I "$ROOT/harness/codec" -DVERSION='""' "$ROOT/tests/cli/_foreign.c" -o "$TMP/foreign.so"
cat >"$TMP/s.yaml" <<'Y'
name: foreign_--x
summary: "=cmd \e[31m \u202E <script> \\input{/etc/passwd} $x$ ^^M % # & ~ [a] {b} \n|x|"
models:
  tiny_--a.b: {generator: chain, vocab: 64, hidden: 16, layers: 2, prompt: {random: 8, seed: 1}, corpus: {greedy: 40}}
variants:
  - fp32
  - bf16
  - {name: so_und--x, codec: foreign, summary: "\e]0;x\a \\input{x}", placement: ["mlp.*"]}
  - {name: refuse, codec: foreign, options: {fault: refuse}, placement: ["mlp.*"]}
  - {name: crash, codec: foreign, options: {fault: crash}, placement: ["mlp.*"]}
experiments:
  greedy: {steps: 10}
  teacher-forced: {context: 20, chunks: 2}
  memory: {}
Y
"$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/foreign.so" -o "$TMP/f.h5" -q 2>/dev/null
check "a report of foreign texts compiles" "$QINSBENCH" report "$TMP/f.h5" -o "$TMP/foreign" --pdf
text=$(pdftotext "$TMP/foreign/tex/example.pdf" - 2>/dev/null | tr -s ' \n' ' ')
has "their words are in it" "$text" '\input{/etc/passwd}'
same "and no file that they name" "$(grep -c root: <<<"$text")" 0
finish
