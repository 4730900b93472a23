#!/bin/bash
# kill -9 of the parent and of workers: --resume completes with the same summary, no finished cell is run twice, the file
# opens every time. At MOMENTS (default 5, 20 in the long tier) random moments, whatever the run was doing then, and at moments that the
# codec `planted` holds until the kill. SEED repeats the random ones.
. "$(dirname "$0")/lib.sh"
SEED=${SEED:-$(date +%s)} MOMENTS=${MOMENTS:-5}
RANDOM=$((SEED % 32768))
echo "# seed $SEED, $MOMENTS moments"
OUT=$TMP/r.h5
run() { "$QINSBENCH" run "$SUITES/quick.yaml" -j 2 "$@"; }
begin=$(date +%s%N)
check "an uninterrupted run" run -o "$TMP/whole.h5" -q
length=$((($(date +%s%N) - begin) / 1000000)) # spreads the moments; nothing is expected of them
summary "$TMP/whole.h5" >"$TMP/whole.csv"
echo "# an uninterrupted run takes $length ms, $(wc -l <"$TMP/whole.csv") rows"

shards() { (cd "$OUT.shards" 2>/dev/null && stat -c '%n %i %Y' ./*.h5 2>/dev/null | sort); }
# The keys of what is finished: in the result file, in shards, or in both where a run died while it cleaned up.
finished() {
    {
        [ ! -e "$OUT" ] || "$QINSBENCH" inspect "$OUT" | sed -n 's/^  done .*, key \([0-9a-f]*\).*/\1/p'
        [ ! -d "$OUT.shards" ] || ls "$OUT.shards" | sed -n 's/^\([0-9a-f]\{12\}\)[0-9a-f]*\.h5$/\1/p'
    } | sort -u
}
# kill_parent: and its workers, which die with it; returns when all are dead.
kill_parent() {
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    await "the workers die with their parent" gone $pid
}
moment() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }

# complete NAME: what is finished by now is left alone, --resume takes all of it and runs the rest, once.
kept_bad="" opened_bad="" same_bad="" taken_bad=""
complete() {
    local expected ran total skipped cached differing
    expected=$(finished | wc -l)
    run -o "$OUT" --resume 2>"$TMP/log2" || same_bad="$same_bad $1(exit $?)"
    differing=$(summary "$OUT" | diff - "$2" | sed -n 2p)
    [ -z "$differing" ] || same_bad="$same_bad $1($differing)"
    [ "$expected" -eq 0 ] || grep -q "($expected from an earlier run" "$TMP/log2" || taken_bad="$taken_bad $1($expected: $(tail -n 1 "$TMP/log2"))"
    ran=$(grep -c '\] done' "$TMP/log2")
    cached=$(grep -o '[0-9]* reference' "$TMP/log2" | grep -o '[0-9]*')
    total=$(grep -o 'of [0-9]* cells done' "$TMP/log2" | grep -o '[0-9]*')
    skipped=$(grep -o '[0-9]* skipped' "$TMP/log2" | tail -n 1 | grep -o '[0-9]*')
    [ $((ran + expected + skipped + ${cached:-0})) -eq "${total:-0}" ] || taken_bad="$taken_bad $1(ran $ran)"
    [ ! -e "$OUT.shards" ] && [ ! -e "$OUT.lock" ] || kept_bad="$kept_bad $1(leftovers)"
}

# ---- random moments ----
parents=0 workers=0 partial=0
for ((i = 0; i < MOMENTS; i++)); do
    rm -rf "$OUT" "$OUT.shards"
    start "$QINSBENCH" run "$SUITES/quick.yaml" -j 2 -o "$OUT" 2>"$TMP/log0"
    moment $((RANDOM % (length + 1)))
    if ((RANDOM % 2)); then
        kill -0 $pid 2>/dev/null && parents=$((parents + 1))
        kill_parent
    else
        victim=$(children $pid | shuf -n 1 --random-source=<(yes $RANDOM))
        [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null && workers=$((workers + 1))
        wait $pid 2>/dev/null
    fi
    [ ! -e "$OUT" ] || "$QINSBENCH" show "$OUT" >/dev/null || opened_bad="$opened_bad $i"
    shards >"$TMP/before"
    [ ! -s "$TMP/before" ] || partial=$((partial + 1))
    # Interrupted once more, in the middle of the resume or behind it: what was finished stays, byte for byte.
    finished >"$TMP/finished"
    start "$QINSBENCH" run "$SUITES/quick.yaml" -j 2 -o "$OUT" --resume 2>"$TMP/log1"
    moment $((RANDOM % (length / 2 + 1)))
    kill_parent
    shards >"$TMP/after"
    [ ! -s "$TMP/after" ] || [ -e "$OUT" ] || [ -z "$(comm -23 "$TMP/before" "$TMP/after")" ] || kept_bad="$kept_bad $i"
    [ -z "$(finished | comm -13 - "$TMP/finished")" ] || kept_bad="$kept_bad $i(lost)"
    complete $i "$TMP/whole.csv"
done
echo "# killed $parents parents and $workers workers; $partial moments left finished cells behind"
same "the result file opens after every kill" "$opened_bad" ""
same "finished cells are left as they were" "$kept_bad" ""
same "every finished cell is taken, none runs twice" "$taken_bad" ""
same "the summary is that of an uninterrupted run" "$same_bad" ""

# ---- held moments: two cells of four are killed; the resume is killed when it has finished one of them ----
check "the planted codec builds" build_planted
cat >"$TMP/held.yaml" <<'Y'
name: held
models:
  tiny: {generator: chain, vocab: 100, hidden: 32, layers: 2, prompt: {random: 5, seed: 1}}
variants:
  - fp32
  - {name: one, codec: planted, options: {fault: wait}, placement: ["mlp.*"]}
  - {name: two, codec: planted, options: {fault: wait}, placement: ["mlp.*"]}
  - {name: three, codec: planted, options: {fault: wait}, placement: ["mlp.*"]}
experiments:
  greedy: {steps: 10}
Y
export QB_PLANTED=$TMP/wait
run() { "$QINSBENCH" run "$TMP/held.yaml" --codec "$TMP/planted.so" -j 1 "$@"; }
held() { start "$QINSBENCH" run "$TMP/held.yaml" --codec "$TMP/planted.so" -j 1 -o "$OUT" "$@" 2>"$TMP/log0"; }
next() { rm "$QB_PLANTED.reached" && touch "$QB_PLANTED.next"; }
kill_worker() { rm "$QB_PLANTED.reached" && kill -9 "$(children $pid)"; }
rm "$TMP/whole.h5"
touch "$QB_PLANTED.go"
check "an uninterrupted run of held cells" run -o "$TMP/whole.h5" -q
summary "$TMP/whole.h5" >"$TMP/whole.csv"
rm -rf "$OUT" "$QB_PLANTED".*
kept_bad="" opened_bad="" same_bad="" taken_bad=""
held
await "the first waits" reached && kill_worker
await "the second waits" reached && next
await "the third waits" reached && kill_worker
wait $pid
same "two cells were killed: exit 3" $? 3
same "the result file has the others" "$(finished | wc -l)" 3
held --resume
await "the first waits again" reached && next
await "the third waits again" reached && kill_parent
same "its shard counts beside the file's cells" "$("$QINSBENCH" inspect "$OUT" | grep -c '^  done') $(finished | wc -l)" "3 4"
touch "$QB_PLANTED.go"
complete held "$TMP/whole.csv"
same "what is finished is taken, none runs twice" "$taken_bad$kept_bad" ""
same "the summary is that of an uninterrupted run" "$same_bad" ""
same "the rest is one cell" "$(grep '\] done' "$TMP/log2" | grep -o 'tiny[^ ]*')" "tiny/three/greedy"

# ---- a whole run again ----
run() { "$QINSBENCH" run "$SUITES/quick.yaml" -j 2 "$@"; }
log=$(run -o "$TMP/again.h5" 2>&1 && run -o "$TMP/again.h5" --resume 2>&1)
has "resume of a whole run takes every cell" "$(printf '%s\n' "$log" | tail -n 1)" "from an earlier run"
same "and runs none" "$(printf '%s\n' "$log" | tail -n 1 | grep -c ', 0 failed')" 1
log=$(run -o "$TMP/again.h5" --resume --set experiments.greedy.steps=41 2>&1)
same "a changed option runs its cells again, the others not" "$(printf '%s\n' "$log" | grep '\] done' | grep -vc '/greedy')" 0
has "and says how many" "$log" "finished cells ran again"
log=$(run -o "$TMP/again.h5" --resume --set experiments.greedy.steps=41 --set models.tiny-chain.seed=7 2>&1)
same "a changed seed runs its model's cells again, the others not" "$(printf '%s\n' "$log" | grep '\] done' | grep -vc 'tiny-chain')" 0
finish
