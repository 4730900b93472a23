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

# ---- in the middle of a cell: its second piece of three waits, the first is a part ----
export QB_PLANTED=$TMP/mid
OUT=$TMP/mid # and its shards in mid.shards, where the codec looks for parts
ids() { for ((i = 0; i < 60; i++)); do echo $((i * 37 % 60)); done; }
ids >"$TMP/ids.txt"
cat >"$TMP/held-mid.yaml" <<Y
name: mid
models:
  tiny: {file: $ROOT/data/models/tiny-llama, corpus: {tokens: ids.txt, context: 20, chunks: 3}}
variants: [{name: held, kv: {keys: {codec: planted, options: {fault: part}}, values: fp16, block: 1}}]
experiments:
  kv: {}
limits: {unsaved: 0}
Y
mid() { "$QINSBENCH" run "$TMP/held-mid.yaml" --codec "$TMP/planted.so" -j 1 --cache-size 0 "$@"; }
# arrays FILE: what its cells' arrays hold, by their bytes, but for the memory that a process took. (HDF5's own tool, where there is one.)
arrays() {
    local name
    h5dump -n "$1" | sed -n 's|^ *dataset *\(/cells/.*[^ ]\) *$|\1|p' | grep -v 'rss\|accounted' | sort | while read -r name; do
        h5dump -d "$name" -b LE -o "$TMP/bytes" "$1" >"$TMP/dumped" && echo "$name $(sha256sum <"$TMP/bytes")"
    done
}
parts() { ls "$OUT.shards" 2>/dev/null | grep '\.part$'; }
# kill_mid: a run that is killed in the second piece.
kill_mid() {
    rm -rf "$OUT" "$OUT.shards" "$QB_PLANTED".reached "$QB_PLANTED".go
    start "$QINSBENCH" run "$TMP/held-mid.yaml" --codec "$TMP/planted.so" -j 1 --cache-size 0 -o "$OUT" 2>"$TMP/log0"
    await "the second piece waits" reached
    kill_parent
    touch "$QB_PLANTED.go"
}
touch "$QB_PLANTED.go"
check "an uninterrupted run in pieces" mid -o "$TMP/whole-mid.h5" -q
kill_mid
same "a part is left of the killed cell" "$(parts | wc -l)" 1
log=$(mid -o "$OUT" 2>&1)
same "without --resume it would be dropped: exit 2" $? 2
has "which is said" "$log" "finished cell"
log=$(mid -o "$OUT" --resume 2>&1)
has "the resume takes the piece that was done" "$log" "tiny/held/kv: 1 of its 3 pieces are taken from an earlier run"
same "nothing is left beside the result" "$(ls -d "$OUT".* | grep -v 'go$\|reached$')" ""
same "its summary is that of an uninterrupted run" "$(summary "$OUT")" "$(summary "$TMP/whole-mid.h5")"
if command -v h5dump >/dev/null; then
    arrays "$TMP/whole-mid.h5" >"$TMP/whole.arrays"
    same "its arrays are, to the bit" "$(arrays "$OUT")" "$(cat "$TMP/whole.arrays")"
    has "and there are some" "$(cat "$TMP/whole.arrays")" "/cells/tiny/held/kv/kl "
else
    echo "# SKIP arrays by their bytes: there is no h5dump"
fi
# Planted parts: a flipped bit, a cut, another cell's name.
for plant in flipped cut foreign; do
    kill_mid
    part=$OUT.shards/$(parts)
    case $plant in
    flipped) printf 'X' | dd of="$part" bs=1 seek=2000 conv=notrunc status=none ;;
    cut) truncate -s 700 "$part" ;;
    foreign) cp "$TMP/whole-mid.h5" "$part" ;;
    esac
    log=$(mid -o "$OUT" --resume 2>&1)
    has "$plant: the part is refused" "$log" "tiny/held/kv: 1 of its parts could not be taken and is measured anew"
    same "$plant: and not taken" "$(printf '%s\n' "$log" | grep -c 'pieces are taken')" 0
    same "$plant: the summary is that of an uninterrupted run" "$(summary "$OUT")" "$(summary "$TMP/whole-mid.h5")"
done
# Other steps are another key: the part is not taken, and goes.
kill_mid
log=$(mid -o "$OUT" --resume --set experiments.kv.step=7 2>&1)
same "a part of another key is not taken" "$(printf '%s\n' "$log" | grep -c 'pieces are taken')" 0
has "and is dropped with a word" "$log" "1 part of cells that were not finished is dropped"
# Where no cell is finished, parts are what would be dropped.
kill_mid
rm "$OUT.shards"/*.h5
log=$(mid -o "$OUT" 2>&1)
same "parts alone without --resume: exit 2" $? 2
has "parts alone: which is said" "$log" "1 part of unfinished cells would be dropped"
same "parts alone: stay" "$(parts | wc -l)" 1
log=$(mid -o "$OUT" --force 2>&1)
same "--force drops parts" $? 0
has "and says so" "$log" "1 part of unfinished cells of an earlier run is dropped (--force)"
# A worker that is killed, not the run: its parts stay beside the result for a resume.
rm -rf "$OUT" "$QB_PLANTED".reached "$QB_PLANTED".go
start "$QINSBENCH" run "$TMP/held-mid.yaml" --codec "$TMP/planted.so" -j 1 --cache-size 0 -o "$OUT" 2>"$TMP/log0"
await "the second piece waits" reached && kill_worker
touch "$QB_PLANTED.go"
wait $pid
same "a killed worker: exit 3" $? 3
has "what its cell measured stays" "$(cat "$TMP/log0")" "1 part of cells that did not finish stays in"
log=$(mid -o "$OUT" --resume 2>&1)
has "and the resume takes it" "$log" "tiny/held/kv: 1 of its 3 pieces are taken from an earlier run"

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
