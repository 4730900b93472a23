#!/bin/bash
# What fuzzing begins with, and what it found once: read by the build under test (tests/fuzz, docs/fuzzing.md).
. "$(dirname "$0")/lib.sh"

export QINSBENCH_CODECS="$ROOT/$BUILD/codecs"
replay="$BUILD/tests/fuzz/replay"
TARGET=nothing "$replay" >"$TMP/out" 2>&1
same "an unknown target is an error" "$?" 2
targets=$(sed -n 's/.*expected one of //p' "$TMP/out")

FUZZ=$TMP tests/fuzz/run.sh --seeds >"$TMP/out" 2>&1
same "the seeds are made" "$(cat "$TMP/out")" ""
count=0
for target in $targets; do
    TARGET=$target "$replay" "$TMP/corpus/$target"/* >"$TMP/out" 2>&1
    same "$target: its seeds are read" "$?" 0
    check "$target: one of them is accepted ($(tail -n 1 "$TMP/out"))" grep -q " of $target, [1-9].* accepted" "$TMP/out"
    count=$((count + 1))
done
check "$count targets are at least 18" test "$count" -ge 18
finish
