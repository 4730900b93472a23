#!/bin/bash
# Planted faults in codecs: the cell fails with the right message, the rest runs, the exit code is 3.
. "$(dirname "$0")/lib.sh"
check "the planted codec builds" build_planted
cat >"$TMP/faults.yaml" <<'Y'
name: faults
models:
  tiny: {generator: chain, vocab: 100, hidden: 32, layers: 2, prompt: {random: 5, seed: 1}}
variants:
  - fp32
  - {name: sound, codec: planted, placement: ["mlp.*"]}
  - {name: crash, codec: planted, options: {fault: crash}, placement: ["mlp.*"]}
  - {name: nan, codec: planted, options: {fault: nan}, placement: ["mlp.*"]}
  - {name: exit, codec: planted, options: {fault: exit}, placement: ["mlp.*"]}
  - {name: chatter, codec: planted, options: {fault: chatter}, placement: ["mlp.*"]}
  - {name: refuse, codec: planted, options: {fault: refuse}, placement: ["mlp.*"]}
  - pattern-a
experiments:
  greedy: {steps: 10}
limits: {seconds: 600}
Y
log=$("$QINSBENCH" run "$TMP/faults.yaml" --codec "$TMP/planted.so" -o "$TMP/r.h5" -j 2 2>&1)
same "some cells failed: exit 3" $? 3
line() { printf '%s\n' "$log" | grep "tiny/$1/greedy"; }
has "a crash names its signal" "$(line crash)" "crashed with signal 6 (SIGABRT)"
has "a crash shows what was printed last" "$(line crash)" "about to write to nowhere"
has "NaN is named" "$(line nan)" "came out as nan"
has "an exit names its code" "$(line exit)" "ended with exit code 7 and no result"
has "a refusal carries the plugin's words" "$(line refuse)" "planted refusal"
has "the sound variant runs" "$(line sound)" "done"
has "a variant that prints runs" "$(line chatter)" "done"
same "no plugin's words in the progress" "$(printf '%s\n' "$log" | grep -c 'a plugin that prints')" 0
has "the variant after the faults runs" "$(line pattern-a)" "done"
flags() { "$QINSBENCH" show "$TMP/r.h5" --output csv --only "tiny/$1/greedy" --metric match_rate | tail -n 1; }
has "the result file flags the failed cell" "$(flags crash)" "failed"
has "and NaN as nonfinite" "$(flags nan)" "nonfinite"
has "and lossless storage matches fully" "$(flags sound)" "match_rate,100,"
log2=$("$QINSBENCH" run "$TMP/faults.yaml" --codec "$TMP/planted.so" -o "$TMP/r.h5" -j 2 --resume 2>&1)
same "resume: failed cells fail again" $? 3
same "resume: done cells do not run again" "$(printf '%s\n' "$log2" | grep -c '\] done')" 0
# What a codec had started ends with its cell.
export QB_PLANTED=$TMP/left
sed '/fault: /d; s/^  - pattern-a/  - {name: leave, codec: planted, options: {fault: leave}, placement: ["mlp.*"]}/' "$TMP/faults.yaml" >"$TMP/leave.yaml"
"$QINSBENCH" run "$TMP/leave.yaml" --codec "$TMP/planted.so" -o "$TMP/left.h5" -q 2>/dev/null
same "a codec that leaves a process and crashes: exit 3" $? 3
check "it left one" test -s "$TMP/left.log"
for left in $(cat "$TMP/left.log"); do
    if running "$left"; then fail "what it had started ends" "$left"; else pass "what it had started ends"; fi
done
# A hang: the short limit is that cell's alone, the others were finished without one.
sed 's/^  - pattern-a/  - {name: hang, codec: planted, options: {fault: hang}, placement: ["mlp.*"]}\n  - pattern-a/; s/seconds: 600/seconds: 1/' \
    "$TMP/faults.yaml" | grep -v 'fault: [^h]' >"$TMP/hang.yaml"
"$QINSBENCH" run "$TMP/hang.yaml" --codec "$TMP/planted.so" -o "$TMP/h.h5" -q --set limits.seconds=600 --only '*/[^h]*' 2>/dev/null
log=$("$QINSBENCH" run "$TMP/hang.yaml" --codec "$TMP/planted.so" -o "$TMP/h.h5" --resume 2>&1)
same "a hang fails: exit 3" $? 3
has "a hang names the limit" "$(line hang)" "hung: over 1 s"
has "and fails alone" "$log" "4 from an earlier run), 1 failed"
sed -i 's/steps: 10/steps: 10, prompt: {random: 3, seed: 5}/; s/, prompt: {random: 5, seed: 1}//' "$TMP/faults.yaml"
# A reference that fails takes its dependents along: the memory limit stops it.
cat >"$TMP/limit.yaml" <<'Y'
name: limit
models:
  big: {generator: transformer, vocab: 2000, hidden: 64, layers: 2, prompt: {random: 200, seed: 1}}
variants: [fp32, pattern-a]
experiments:
  greedy: {steps: 3000}
limits: {memory: 1MiB}
Y
if [ -z "${SANITIZED:-}" ]; then
    log=$("$QINSBENCH" run "$TMP/limit.yaml" -o "$TMP/l.h5" 2>&1)
    same "over the memory limit: exit 3" $? 3
    has "the reference fails" "$log" "FAILED  big/reference/greedy"
    has "its dependents are skipped and say why" "$log" "skipped big/pattern-a/greedy: the reference big/reference/greedy failed"
fi
finish
