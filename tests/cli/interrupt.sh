#!/bin/bash
# Ctrl-C, SIGTERM and SIGHUP keep what is finished; a second run on the same file is refused.
. "$(dirname "$0")/lib.sh"
check "the planted codec builds" build_planted
# The last cell waits for ever: whatever the machine's speed, the signal comes in its time.
cat >"$TMP/slow.yaml" <<'Y'
name: slow
models:
  a: {generator: chain, vocab: 200, hidden: 64, layers: 2, prompt: {random: 5, seed: 1}, variants: [fp32, pattern-a]}
  b: {generator: chain, vocab: 100, hidden: 32, layers: 1, prompt: {random: 5, seed: 1}, variants: [waits]}
variants: [fp32, pattern-a, {name: waits, codec: planted, options: {fault: wait}, placement: ["mlp.*"]}]
experiments:
  greedy: {steps: 10}
Y
export QB_PLANTED=$TMP/wait
run() { "$QINSBENCH" run "$TMP/slow.yaml" --codec "$TMP/planted.so" -o "$TMP/s.h5" "$@" 2>&1; }
for signal in INT TERM HUP; do
    rm -rf "$TMP"/s.h5* "$QB_PLANTED".*
    start env --default-signal=HUP "$QINSBENCH" run "$TMP/slow.yaml" --codec "$TMP/planted.so" -o "$TMP/s.h5" -j 1 2>"$TMP/log"
    await "SIG$signal: the last cell runs" reached
    if [ $signal = INT ]; then
        log=$(run)
        same "a second run on the same file: exit 2" $? 2
        has "and says why" "$log" "is being written by another run"
    fi
    kill -$signal $pid
    wait $pid
    same "SIG$signal: exit 130" $? 130
    check "SIG$signal: the file opens" "$QINSBENCH" show "$TMP/s.h5"
    has "SIG$signal: the finished cell is there" "$("$QINSBENCH" show "$TMP/s.h5" --output csv)" "a,pattern-a,greedy,match_rate,"
    has "SIG$signal: the provenance says so" "$("$QINSBENCH" inspect "$TMP/s.h5" | grep interrupted)" "stopped by the user"
    has "SIG$signal: show says so" "$("$QINSBENCH" show "$TMP/s.h5" 2>&1 >/dev/null)" "interrupted"
    has "SIG$signal: no baseline is made of it" "$("$QINSBENCH" baseline accept "$TMP/s.h5" -o "$TMP/s.json" 2>&1)" "interrupted"
    same "SIG$signal: nor is a file left" "$(ls "$TMP"/s.json 2>/dev/null)" ""
    "$QINSBENCH" report "$TMP/s.h5" -o "$TMP/rep" --format md --figures none >/dev/null
    has "SIG$signal: the report says so before anything else" "$(grep -A3 'Before reading' "$TMP/rep/report.md")" "interrupted"
    log=$(run --resume --only a)
    same "SIG$signal: resume runs nothing of what is finished" "$(printf '%s\n' "$log" | grep -c '\] done')" 0
    same "SIG$signal: no shards or lock left" "$(ls "$TMP" | grep -c 's.h5.')" 0
done
finish
