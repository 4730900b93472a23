#!/bin/bash
# The cells of a (model, variant) share one net: built by one process, which their ends leave alone, and whose end is theirs.
. "$(dirname "$0")/lib.sh"
check "the planted codec builds" build_planted
export QB_PLANTED=$TMP/wait
suite() { # FAULT LIMITS
    cat <<Y
name: s
models: {m: {generator: chain, vocab: 60, hidden: 16, layers: 2, prompt: {random: 4, seed: 1}, corpus: {greedy: 8}}}
variants: [{name: mine, codec: planted, options: {fault: $1}, placement: ["mlp.*"]}]
experiments: {greedy: {steps: 10}, depth: {}, teacher-forced: {}, memory: {}, speed: {repeats: 3, prefill: 4, decode: 2}}
limits: {seconds: $2}
Y
}
run() { "$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/planted.so" "$@" 2>&1; }
suite log 600 >"$TMP/s.yaml"
for jobs in 1 2; do
    rm -f "$QB_PLANTED.log"
    check "five cells run, -j $jobs" run -o "$TMP/log$jobs.h5" -j $jobs
    same "a process encodes for the four, one for the timed cell, which times encoding itself, -j $jobs" "$(sort -u "$QB_PLANTED.log" | wc -l)" 3
done
same "the number of jobs changes no value" "$(summary "$TMP/log1.h5")" "$(summary "$TMP/log2.h5")"
rm -f "$QB_PLANTED.log"
run -o "$TMP/log1.h5" --resume >/dev/null
check "cells that are taken encode nothing" test ! -e "$QB_PLANTED.log"
said=$(run -o "$TMP/log1.h5" --resume --set experiments.greedy.steps=11)
has "one cell of a variant alone" "$said" "8 of 8 cells done (6 from an earlier run"
same "has a process to itself" "$(sort -u "$QB_PLANTED.log" | wc -l)" 1
# A cell that hangs ends alone.
suite late 3 >"$TMP/s.yaml"
said=$(run -o "$TMP/late.h5" -j 2 --only '*/*/greedy' --only '*/*/[gm]*')
same "a cell hangs: exit 3" $? 3
has "for its own limit" "$(grep FAILED <<<"$said")" "m/mine/greedy: hung: over 3 s"
has "and the others of its net run" "$said" "done    m/mine/memory"
# The end of a preparer is the end of the cells that wait for it, and of no others.
suite wait 600 >"$TMP/s.yaml"
sed -i 's/^variants: \[/&fp32, /' "$TMP/s.yaml"
start "$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/planted.so" -o "$TMP/wait.h5" -j 1 2>"$TMP/log"
await "a preparer waits" reached
preparer=$(children $pid)
same "it is the run's only child" "$(wc -w <<<"$preparer")" 1
kill -9 "$preparer"
rm -f "$QB_PLANTED.reached"
await "the timed round prepares anew" reached
touch "$QB_PLANTED.go"
wait $pid
same "some cells failed: exit 3" $? 3
same "those that waited say why" "$(grep -c 'FAILED  m/mine/.*: killed by signal 9 (SIGKILL)' "$TMP/log")" 4
has "the others are done" "$(cat "$TMP/log")" "9 of 13 cells done"
same "a run leaves no process behind" "$(processes 4 $pid)" ""
# Orders from outside: a run that is killed takes preparers and cells along.
rm -f "$QB_PLANTED".*
start "$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/planted.so" -o "$TMP/killed.h5" -j 1 2>"$TMP/log"
await "a preparer waits again" reached
kill -9 $pid
wait $pid 2>/dev/null
await "it dies with the run" gone $pid
# And what a plugin started in a session of its own, its parent gone.
rm -f "$QB_PLANTED".*
suite stray 600 >"$TMP/s.yaml"
start "$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/planted.so" -o "$TMP/stray.h5" -j 1 2>"$TMP/log"
logged() { [ -s "$QB_PLANTED.log" ]; }
ended() { for stray in $(cat "$QB_PLANTED.log"); do ! running "$stray" || return 1; done; }
await "a plugin has left a process" logged
check "it runs" running "$(head -n 1 "$QB_PLANTED.log")"
kill -9 $pid
wait $pid 2>/dev/null
await "it ends with the run" ended && pass "it ends with the run"
# What is mapped follows its file: a model written while the run reads it gives no numbers; another in its place does.
cp data/models/kjv.tokenizer.json "$TMP"
cat >"$TMP/s.yaml" <<Y
name: s
models: {m: {file: $TMP/m.safetensors}}
variants: [{name: waits, codec: planted, options: {fault: wait}, placement: ["mlp.*"]}, fp32]
experiments:
  teacher-forced: {corpus: data/corpus/kjv.heldout, context: 32, chunks: 2}
  speed: {repeats: 3, prefill: 4, decode: 2}
Y
written() { printf '\1' | dd of="$1" bs=1 seek=100001 conv=notrunc 2>/dev/null; }
replaced() { cp data/models/kjv-chain.safetensors "$1.new" && written "$1.new" && mv "$1.new" "$1"; }
for how in written replaced; do
    rm -f "$QB_PLANTED".*
    cp data/models/kjv-chain.safetensors "$TMP/m.safetensors"
    start "$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/planted.so" -o "$TMP/$how.h5" -j 1 2>"$TMP/log"
    await "a cell waits while its model is $how" reached
    $how "$TMP/m.safetensors"
    touch "$QB_PLANTED.go"
    wait $pid
    same "a model is $how: exit code, cells that failed for it" \
        "$? $(grep -c 'FAILED .*m.safetensors: the file was written while it was read' "$TMP/log")" \
        "$([ $how = written ] && echo 3 2 || echo 3 0)"
    same "the timed round, which opens it anew, measures no other" \
        "$(grep -c "FAILED .*/speed: model 'm': another one took its place while the run was on" "$TMP/log")" 2
done
# A model's file that is cut while a net is made of it is named, not only the signal.
rm -f "$QB_PLANTED".*
cp data/models/kjv-chain.safetensors "$TMP/m.safetensors"
start "$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/planted.so" -o "$TMP/cut.h5" -j 1 --only '*/waits/teacher-forced' 2>"$TMP/log"
await "a preparer waits while its model is cut" reached
truncate -s 4096 "$TMP/m.safetensors"
touch "$QB_PLANTED.go"
wait $pid
same "cells of a file that was cut: exit code" $? 3
has "the file is named" "$(grep 'FAILED .*waits' "$TMP/log")" "m.safetensors: the file became shorter while it was read"
finish
