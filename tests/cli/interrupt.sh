#!/bin/bash
# Ctrl-C and SIGTERM keep what is finished; a second run on the same file is refused.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/slow.yaml" <<'Y'
name: slow
models:
  a: {generator: chain, vocab: 200, hidden: 64, layers: 2, prompt: {random: 5, seed: 1}}
  b: {generator: chain, vocab: 5000, hidden: 256, layers: 3, prompt: {random: 5, seed: 1}}
variants: [fp32, pattern-a]
experiments:
  greedy: {steps: 30000}
Y
for signal in INT TERM; do
    rm -rf "$TMP"/s.h5*
    : >"$TMP/log"
    "$QINSBENCH" run "$TMP/slow.yaml" -o "$TMP/s.h5" -j 1 2>"$TMP/log" &
    pid=$!
    for ((i = 0; i < 1200; i++)); do
        grep -q '\] done.*a/pattern-a' "$TMP/log" && break
        sleep 0.05
    done
    if [ $signal = INT ]; then
        log=$("$QINSBENCH" run "$TMP/slow.yaml" -o "$TMP/s.h5" 2>&1)
        same "a second run on the same file: exit 2" $? 2
        has "and says why" "$log" "is being written by another run"
        kill -INT $pid
    else
        kill -TERM $pid
    fi
    wait $pid
    same "SIG$signal: exit 130" $? 130
    check "SIG$signal: the file opens" "$QINSBENCH" show "$TMP/s.h5"
    has "SIG$signal: the finished cell is there" "$("$QINSBENCH" show "$TMP/s.h5" --output csv)" "a,pattern-a,greedy,match_rate,"
    has "SIG$signal: the provenance says so" "$("$QINSBENCH" inspect "$TMP/s.h5" | grep interrupted)" "stopped by the user"
    log=$("$QINSBENCH" run "$TMP/slow.yaml" -o "$TMP/s.h5" --resume --only a 2>&1)
    same "SIG$signal: resume runs nothing of what is finished" "$(printf '%s\n' "$log" | grep -c '\] done')" 0
    same "SIG$signal: no shards or lock left" "$(ls "$TMP" | grep -c 's.h5.')" 0
done
finish
