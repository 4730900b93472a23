#!/bin/bash
# What a run shows while it goes on: a line that is redrawn and never wraps on a terminal, plain lines elsewhere.
. "$(dirname "$0")/lib.sh"
check "the planted codec builds" build_planted
export QB_PLANTED=$TMP/wait
cat >"$TMP/s.yaml" <<'Y'
name: s
models: {a-model-of-a-long-name: {generator: chain, vocab: 60, hidden: 16, layers: 2, prompt: {random: 4, seed: 1}}}
variants: [{name: mine-of-as-long-a-name, codec: planted, options: {fault: wait}, placement: ["mlp.*"]}]
experiments: {greedy: {steps: 10}}
Y
run="$QINSBENCH run $TMP/s.yaml --codec $TMP/planted.so --force -j 1 -o $TMP/r.h5"
# drawn: the states of the line, one a line.
drawn() { tr '\r' '\n' <"$TMP/typed" | grep -a $'^\033\\[K[[0-9]' | sed $'s/^\033\\[K//'; }
preparing() { drawn | grep -q '(net)' || gone "$pid"; }

# The codec holds the net back until its label was drawn.
start script -qefc "stty cols 50; TERM=xterm $run" "$TMP/typed" </dev/null >/dev/null
await "a net that is made has a label" preparing
has "which shows its end where it does not fit" "$(drawn)" "1/2  1 cell unknown  ...e-of-as-long-a-name (net)"
touch "$QB_PLANTED.go"
await "the run ends" gone "$pid"
same "no line is wider than the terminal" "$(drawn | awk 'length($0) > 49')" ""
# A cell in pieces: the codec holds its second until the line says that one of three is done.
for ((i = 0; i < 60; i++)); do echo $((i * 37 % 60)); done >"$TMP/ids.txt"
cat >"$TMP/pieces.yaml" <<Y
name: pieces
models: {tiny: {file: $ROOT/data/models/tiny-llama, corpus: {tokens: ids.txt, context: 20, chunks: 3}}}
variants: [{name: held, kv: {keys: {codec: planted, options: {fault: part}}, values: fp16, block: 1}}]
experiments: {kv: {}}
limits: {unsaved: 0}
Y
one_of_three() { drawn | grep -q 'held/kv 1/3' || gone "$pid"; }
rm "$QB_PLANTED".*
start script -qefc "stty cols 100; TERM=xterm $QINSBENCH run $TMP/pieces.yaml --codec $TMP/planted.so -j 1 --cache-size 0 -o $QB_PLANTED" "$TMP/typed" </dev/null >/dev/null
await "the line tells the pieces of a cell that runs" one_of_three
has "which are done and all" "$(drawn)" "tiny/held/kv 1/3"
same "and how long it takes is known from them" "$(drawn | grep 'held/kv 1/3' | grep -vc ' left ')" 0
touch "$QB_PLANTED.go"
await "the run ends" gone "$pid"

for term in dumb xterm; do # on a terminal that cannot redraw; into a file
    if [ $term = dumb ]; then
        script -qec "TERM=dumb $run" "$TMP/typed" </dev/null >"$TMP/err"
    else
        TERM=xterm $run 2>"$TMP/err"
    fi
    same "nothing is redrawn ($term)" "$(grep -ac $'\033\\[K' "$TMP/err")" 0
    has "each cell has a line" "$(cat "$TMP/err")" "[  2/2] done    a-model-of-a-long-name/mine-of-as-long-a-name/greedy"
done
finish
