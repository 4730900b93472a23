#!/bin/bash
# What cannot be written is said, with exit 2, and nothing half written is left: stdout, a file over the size limit, a
# full disk (a small tmpfs, where one may be mounted).
. "$(dirname "$0")/lib.sh"
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
model=$ROOT/data/models/kjv-transformer.safetensors

for words in --help --version "run --help" "list metrics" "inspect $model"; do
    name="${words%%/*} to a full disk"
    said=$("$QINSBENCH" $words 2>&1 >/dev/full)
    same "$name: exit 2" $? 2
    same "$name: says so, once" "$said" "qinsbench: cannot write to stdout: No space left on device"
done
# The pipe's reader is gone before the program starts.
mkfifo "$TMP/pipe"
: <"$TMP/pipe" &
exec 8>"$TMP/pipe"
wait $!
said=$("$QINSBENCH" list metrics 2>&1 >&8)
same "a closed pipe: exit 2" $? 2
same "a closed pipe: says so" "$said" "qinsbench: cannot write to stdout: Broken pipe"
exec 8>&-

# limited NAME PATH COMMAND...: files end at 16 KiB.
limited() {
    local name=$1 path=$2 said
    shift 2
    said=$(ulimit -f 16 && "$QINSBENCH" "$@" 2>&1)
    same "$name over the file size limit: exit 2" $? 2
    has "$name over the file size limit: says so" "$said" "File too large"
    same "$name over the file size limit: leaves nothing" "$(ls "$TMP" | grep "$path")" ""
}
limited convert out.safetensors convert "$model" --variant pattern-a -o "$TMP/out.safetensors"
limited make-model made.safetensors make-model transformer -o "$TMP/made.safetensors"
yes 1 | head -n 64 >"$TMP/ids"
limited logits l.h5 logits "$model" --tokens "$TMP/ids" -o "$TMP/l.h5"

cat >"$TMP/tiny.yaml" <<'Y'
name: tiny
models:
  tiny: {generator: transformer, vocab: 64, hidden: 64, layers: 1, prompt: {random: 8, seed: 123}}
variants: [fp32, pattern-a]
experiments: {greedy: {steps: 20}}
Y
(ulimit -f 8 && "$QINSBENCH" run "$TMP/tiny.yaml" -o "$TMP/r.h5" -q >"$TMP/said" 2>&1)
same "run over the file size limit: exit 2" $? 2
has "run over the file size limit: says so" "$(cat "$TMP/said")" "File too large"
same "run over the file size limit: leaves nothing in the making" "$(find "$TMP" -name '*.tmp')" ""

# A disk that fills while pictures are drawn: gnuplot ends with 0 all the same.
check "a small suite runs" "$QINSBENCH" run "$TMP/tiny.yaml" -o "$TMP/r.h5" -q --force
mkdir "$TMP/small"
# small SIZE: an empty file system of this size.
small() {
    umount "$TMP/small" 2>/dev/null
    mount -t tmpfs -o size="$1" small "$TMP/small" 2>/dev/null
}
if small 96k; then
    trap 'umount "$TMP/small"; rm -rf "$TMP"' EXIT
    cut=0
    for size in 28k 40k 52k 64k 76k; do
        small $size
        said=$("$QINSBENCH" report "$TMP/r.h5" -o "$TMP/small/rep" --only match --figures svg,png 2>&1)
        status=$?
        whole=$(grep -c '</svg>' "$TMP/small/rep/figures/match.svg" 2>/dev/null)
        [ "$(tail -c 8 "$TMP/small/rep/figures/match.png" 2>/dev/null | head -c 4 | tr -d '\0')" = IEND ] || whole=0
        same "report on a disk of $size: 0 and whole pictures, or 2" "$status" "$((whole == 1 ? 0 : 2))"
        case "$said" in *"gnuplot did not write all of it"*) cut=1 ;; esac
    done
    same "a picture that was cut is named" $cut 1
    head -c 200k /dev/zero >"$TMP/small/filler" 2>/dev/null
    said=$("$QINSBENCH" convert "$model" --variant pattern-a -o "$TMP/small/out.safetensors" 2>&1)
    same "convert on a full disk: exit 2" $? 2
    has "convert on a full disk: says so" "$said" "No space left on device"
    same "convert on a full disk: leaves nothing" "$(ls "$TMP/small" | grep safetensors)" ""
fi
finish
