#!/bin/bash
# kill -9 of the parent and of workers at random moments: --resume completes with the same summary, no finished cell is
# run twice, the file opens every time. SEED repeats a run; MOMENTS (default 20) says how many.
. "$(dirname "$0")/lib.sh"
SEED=${SEED:-$(date +%s)} MOMENTS=${MOMENTS:-20}
RANDOM=$((SEED % 32768))
echo "# seed $SEED, $MOMENTS moments"
OUT=$TMP/r.h5
run() { "$QINSBENCH" run "$SUITES/quick.yaml" -j 2 "$@"; }
start=$(date +%s%N)
check "an uninterrupted run" run -o "$TMP/whole.h5" -q
length=$((($(date +%s%N) - start) / 1000000))
summary "$TMP/whole.h5" >"$TMP/whole.csv"
echo "# an uninterrupted run takes $length ms, $(wc -l <"$TMP/whole.csv") rows"

shards() { (cd "$OUT.shards" 2>/dev/null && stat -c '%n %i %Y' ./*.h5 2>/dev/null | sort); }
children() { pgrep -P "$1" 2>/dev/null; }
kept_bad="" opened_bad="" same_bad="" taken_bad="" parents=0 workers=0 partial=0
for ((i = 0; i < MOMENTS; i++)); do
    rm -rf "$OUT" "$OUT.shards"
    "$QINSBENCH" run "$SUITES/quick.yaml" -j 2 -o "$OUT" 2>"$TMP/log0" & # not through a function: $! is its shell
    pid=$!
    sleep "$(printf '0.%03d' $((RANDOM % (length > 900 ? 900 : length + 1))))"
    if ((RANDOM % 2)); then
        kill -9 $pid 2>/dev/null && parents=$((parents + 1))
    else
        victim=$(children $pid | shuf -n 1 --random-source=<(yes $RANDOM))
        [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null && workers=$((workers + 1))
    fi
    wait $pid 2>/dev/null
    [ ! -e "$OUT" ] || "$QINSBENCH" show "$OUT" >/dev/null || opened_bad="$opened_bad $i"
    shards >"$TMP/before"
    finished=$(wc -l <"$TMP/before")
    [ "$finished" -gt 0 ] && partial=$((partial + 1))
    # Interrupted once more in the middle of the resume: what was finished stays, byte for byte, where it is.
    "$QINSBENCH" run "$SUITES/quick.yaml" -j 2 -o "$OUT" --resume 2>"$TMP/log1" &
    pid=$!
    sleep 0.05
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    shards >"$TMP/after"
    [ ! -s "$TMP/after" ] || [ -e "$OUT" ] || [ -z "$(comm -23 "$TMP/before" "$TMP/after")" ] || kept_bad="$kept_bad $i"
    # Killed while it cleaned up: the result file has every cell, the shards are what was not yet removed.
    if [ -e "$OUT" ]; then expected=$("$QINSBENCH" inspect "$OUT" | grep -c '^  done'); else expected=$(shards | wc -l); fi
    run -o "$OUT" --resume 2>"$TMP/log2" || same_bad="$same_bad $i(exit $?)"
    differing=$(summary "$OUT" | diff - "$TMP/whole.csv" | sed -n 2p)
    [ -z "$differing" ] || same_bad="$same_bad $i($differing)"
    [ "$expected" -eq 0 ] || grep -q "($expected from an earlier run)" "$TMP/log2" || taken_bad="$taken_bad $i($expected: $(tail -n 1 "$TMP/log2"))"
    ran=$(grep -c '\] done' "$TMP/log2")
    total=$(grep -o 'of [0-9]* cells done' "$TMP/log2" | grep -o '[0-9]*')
    skipped=$(grep -o '[0-9]* skipped' "$TMP/log2" | tail -n 1 | grep -o '[0-9]*')
    [ "$expected" -eq 0 ] || [ $((ran + expected + skipped)) -eq "${total:-0}" ] || taken_bad="$taken_bad $i(ran $ran)"
    [ ! -e "$OUT.shards" ] && [ ! -e "$OUT.lock" ] || kept_bad="$kept_bad $i(leftovers)"
done
echo "# killed $parents parents and $workers workers; $partial moments left finished cells behind"
same "the result file opens after every kill" "$opened_bad" ""
same "finished cells are left as they were" "$kept_bad" ""
same "every finished cell is taken, none runs twice" "$taken_bad" ""
same "the summary is that of an uninterrupted run" "$same_bad" ""
check "something was killed" test $((parents + workers)) -gt 0
orphans=$(pgrep -f "run $SUITES/quick.yaml.*$TMP" | wc -l)
same "no worker outlives its parent" "$orphans" 0

# A cell that was cut short by kill -9 of its worker is a failure that --resume mends.
log=$(run -o "$TMP/again.h5" 2>&1 && run -o "$TMP/again.h5" --resume 2>&1)
has "resume of a whole run takes every cell" "$(printf '%s\n' "$log" | tail -n 1)" "from an earlier run"
same "and runs none" "$(printf '%s\n' "$log" | tail -n 1 | grep -c ', 0 failed')" 1
log=$(run -o "$TMP/again.h5" --resume --set experiments.greedy.steps=41 2>&1)
same "a changed option runs its cells again, the others not" "$(printf '%s\n' "$log" | grep '\] done' | grep -vc '/greedy')" 0
log=$(run -o "$TMP/again.h5" --resume --set experiments.greedy.steps=41 --set models.tiny-chain.seed=7 2>&1)
same "a changed seed runs its model's cells again, the others not" "$(printf '%s\n' "$log" | grep '\] done' | grep -vc 'tiny-chain')" 0
finish
