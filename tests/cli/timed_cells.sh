#!/bin/bash
# Timed cells know their machine: a resume under other settings measures them again and takes the rest, and every cell says
# which run measured it.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/s.yaml" <<'Y'
name: timed
models: {m: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 8, seed: 1}}}
variants: [fp32, pattern-a]
experiments:
  greedy: {steps: 3}
  memory: {}
  speed: {repeats: 6, prefill: 4, decode: 2}
Y
OUT=$TMP/r.h5
run() { "$QINSBENCH" run "$TMP/s.yaml" -o "$OUT" --resume "$@" 2>&1; }
ran() { grep '\] done' | grep -o 'm/[a-z0-9/-]*' | sort | tr '\n' ' '; }
check "a run on one thread" run --threads 1
same "a resume under the same settings runs nothing" "$(run --threads 1 | ran)" ""
same "more jobs are no other settings: timed cells run alone" "$(run --threads 1 -j 2 | ran)" ""
same "on two threads timed cells run again, and they alone" "$(run --threads 2 | ran)" "m/fp32/speed m/pattern-a/speed "
said=$("$QINSBENCH" inspect "$OUT")
has "the file is of the last run" "$said" "threads                  2"
same "cells of the first run keep its threads" "$(printf '%s\n' "$said" | grep -c 'measured by another run: threads 1')" 5
same "timed cells have their own" "$(printf '%s\n' "$said" | grep '/speed ' | grep -c 'another run')" 0
same "other processors are another machine" "$(taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" \
    "$QINSBENCH" run "$TMP/s.yaml" -o "$OUT" --resume --threads 2 2>&1 | ran)" \
    "$([ "$(nproc)" -gt 1 ] && echo 'm/fp32/speed m/pattern-a/speed ')"
finish
