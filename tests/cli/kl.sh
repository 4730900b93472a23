#!/bin/bash
# The experiment kl and llama.cpp's logits base file: what it writes, it and an independent reader read; a file in the
# reference's place gives llama.cpp's numbers as before; bad requests are refused.
. "$(dirname "$0")/lib.sh"
KJV=$ROOT/data/models/kjv-transformer.safetensors
TEXT=$ROOT/data/corpus/kjv.heldout
suite() { # WORDS OF kl
    cat <<Y
name: kl
models: {kjv: {file: $KJV}}
variants: [fp32, pattern-a, int8-tensor]
experiments: {kl: {$1}}
Y
}
run() { # NAME WORDS
    suite "$2" >"$TMP/$1.yaml"
    "$QINSBENCH" run "$TMP/$1.yaml" -o "$TMP/$1.h5" -q 2>"$TMP/log"
}
values() { "$QINSBENCH" show "$TMP/$1.h5" --metric "$2" --output csv | tr -d '\r' | cut -d, -f2,4,5,9; }
one() { # FILE VARIANT METRIC FIELD
    "$QINSBENCH" show "$TMP/$1.h5" --only "*/$2" --metric "$3" --output csv | tr -d '\r' | sed 1d | cut -d, -f"$4"
}

cut="context: 32, chunks: 6"
check "kl runs" run half "corpus: $TEXT, $cut"
same "fp32 is the reference" "$(one half fp32 kl_max 5)" 0
same "of it llama.cpp's formula has no 0, for 16 bits are not the logits" "$(one half fp32 llama_kld_mean 5 | grep -c '^0$')" 0
same "the second half but one is scored" "$(one half pattern-a llama_ppl 8)" $((6 * 15))
check "score: all" run all "corpus: $TEXT, $cut, score: all"
same "every position that has a next" "$(one all pattern-a llama_ppl 8)" $((6 * 31))
has "few positions are said" "$("$QINSBENCH" show "$TMP/half.h5" --metric llama_ppl --output csv)" "llama.cpp prints none under 100 positions"

# What variants share of the reference (run/shelf.h) changes nothing, whoever makes it and where there is no room for it.
for v in fp32 pattern-a int8-tensor; do
    "$QINSBENCH" run "$TMP/half.yaml" -o "$TMP/alone.h5" --only "*/$v/*" --force -q 2>"$TMP/log"
    same "$v alone" "$(values alone '*')" "$(values half '*' | grep -e "^$v," -e ^variant)"
done
"$QINSBENCH" run "$TMP/half.yaml" -o "$TMP/alone.h5" -j 3 --force -q 2>"$TMP/log"
same "all at once" "$(values alone '*')" "$(values half '*')"
{ cat "$TMP/half.yaml" && echo "limits: {memory: 64MiB}"; } >"$TMP/small.yaml"
"$QINSBENCH" run "$TMP/small.yaml" -o "$TMP/alone.h5" --force -q 2>"$TMP/log"
same "with little memory" "$(values alone '*')" "$(values half '*')"
check "the planted codec builds" build_planted
reached_or_gone() { [ -e "$TMP/$1.reached" ] || ! running "$2"; }
# shelves VARIANTS: how many there are while the variant `hold`, the last, is prepared.
shelves() {
    rm -f "$TMP"/hold.reached "$TMP"/hold.go
    sed "s/^variants: .*/variants: [$1{name: hold, codec: planted, options: {fault: wait}, placement: ['mlp.*']}]/" "$TMP/half.yaml" >"$TMP/hold.yaml"
    QB_PLANTED=$TMP/hold "$QINSBENCH" run "$TMP/hold.yaml" --codec "$TMP/planted.so" -o "$TMP/hold.h5" --force -q 2>"$TMP/log" &
    local run=$!
    await "a variant is prepared" reached_or_gone hold $run
    grep -c '^[^ ]* r--s .*/dev/zero' "/proc/$run/maps"
    touch "$TMP/hold.go"
    wait "$run"
}
same "several variants have a shelf" "$(shelves 'fp32, int8-tensor, ')" 1
same "one alone has none" "$(shelves '')" 0

# A variant held in its second chunk has read of the shelf that fp32 filled.
for ((i = 0; i < 2060; i++)); do echo $((i * 37 % 60)); done >"$TMP/two.txt"
cat >"$TMP/held.yaml" <<Y
name: held
models: {tiny: {file: $ROOT/data/models/tiny-llama, corpus: {tokens: two.txt, context: 1030, chunks: 2}}}
variants: [fp32, {name: held, kv: {keys: {codec: planted, options: {fault: part}}, values: fp16, block: 1}}]
experiments: {kl: {}}
limits: {unsaved: 0}
Y
QB_PLANTED=$TMP/held "$QINSBENCH" run "$TMP/held.yaml" --codec "$TMP/planted.so" -j 1 --cache-size 0 -o "$TMP/held" -q 2>"$TMP/log" &
run=$!
await "a cell is in its second chunk" reached_or_gone held $run
kept=$(for pid in $(children $run); do awk '/^[0-9a-f]+-/ { ours = /r--s .*\/dev\/zero/ } ours && /^Rss:/ { sum += $2 } END { print sum + 0 }' "/proc/$pid/smaps"; done | sort -n | tail -n 1)
check "it has read of the shelf ($kept KiB)" test "$kept" -gt 0
touch "$TMP/held.go"
wait $run

# The text as ids, and as a base file.
check "tokens of the text" "$QINSBENCH" tokenize "$KJV" --file "$TEXT" --output json
"$QINSBENCH" tokenize "$KJV" --file "$TEXT" --output json | sed 's/^{"ids": \[//; s/\].*//; s/,//g' >"$TMP/ids.txt"
check "kl runs on ids" run ids "corpus: {tokens: ids.txt}, $cut"
same "ids are the text" "$(values ids '*')" "$(values half '*')"
check "kl-base writes a file" "$QINSBENCH" kl-base "$KJV" --text "$TEXT" --context 32 --chunks 6 -o "$TMP/base.dat"
check "kl-base of ids" "$QINSBENCH" kl-base "$KJV" --tokens "$TMP/ids.txt" --context 32 --chunks 6 --threads 2 -o "$TMP/ids.dat"
check "is the same file, for any number of threads" cmp "$TMP/base.dat" "$TMP/ids.dat"
check "kl runs against it" run base "corpus: {base: base.dat}"
same "llama.cpp's numbers are those without a file" "$(values base 'llama_*')" "$(values half 'llama_*')"
same "and so is what the variant alone says" "$(one base pattern-a perplexity 5)" "$(one half pattern-a perplexity 5)"
has "exact ones are against the file" "$("$QINSBENCH" show "$TMP/base.h5" --metric kl_mean --output csv)" "the reference is a logits base file's"
check "a variant's base" "$QINSBENCH" kl-base "$KJV" --text "$TEXT" --context 32 --chunks 6 --variant int8-tensor -o "$TMP/int8.dat"
printf 'name: mine\nbase: int8-tensor\n' >"$TMP/mine.yaml"
check "a calibrated variant's" "$QINSBENCH" kl-base "$KJV" --text "$TEXT" --context 32 --chunks 6 --variant calibrated --calibration data/corpus/kjv.calibration -o "$TMP/cal.dat"
check "of a variant of one's own" "$QINSBENCH" kl-base "$KJV" --text "$TEXT" --context 32 --chunks 6 --variant "$TMP/mine.yaml" -o "$TMP/mine.dat"
check "which is what it is based on" cmp "$TMP/int8.dat" "$TMP/mine.dat"
check "is another" test "$(cmp "$TMP/base.dat" "$TMP/int8.dat" | wc -l)" = 1
if command -v python3 >/dev/null; then
    # By the layout alone: the perplexity of the base, from the words of each target.
    read -r ppl <<<"$(python3 - "$TMP/base.dat" <<'P'
import math, struct, sys
data = open(sys.argv[1], "rb").read()
context, vocab, chunks = struct.unpack_from("<Iii", data, 8)
tokens = struct.unpack_from(f"<{context * chunks}i", data, 20)
row, at, total, count = 2 * (2 * ((vocab + 1) // 2) + 4), 20 + 4 * context * chunks, 0.0, 0
for chunk in range(chunks):
    for i in range(context // 2, context - 1):
        scale, offset = struct.unpack_from("<ff", data, at)
        word, = struct.unpack_from("<H", data, at + 8 + 2 * tokens[chunk * context + i + 1])
        total -= scale * word + offset
        count, at = count + 1, at + row
assert data[:8] == b"_logits_" and at == len(data), (at, len(data))
print(math.exp(total / count))
P
)"
    due=$(one half fp32 llama_ppl_base 5)
    check "an independent reader finds the base's perplexity ($ppl, $due)" \
        python3 -c "import sys; a, b = map(float, sys.argv[1:]); sys.exit(abs(a - b) > 1e-5 * b)" "$ppl" "$due"
else
    echo "# SKIP python3 is not there"
fi

# refused NAME PART: what run said
refused() { has "$1" "$(cat "$TMP/log")" "$2"; }
run bad "corpus: {base: base.dat}, score: all"
refused "a base file scores the second half" "score: all, and the base file has the second half of each chunk; expected half"
run bad "corpus: $TEXT, context: 3, chunks: 2"
refused "a context of 3" "kl needs 4 or more"
run bad "corpus: $TEXT, score: some"
refused "a score of another name" "expected one of half, all"
run bad "corpus: {greedy: 20}"
has "what FP32 itself writes is no text" "$("$QINSBENCH" show "$TMP/bad.h5" --output csv 2>&1; cat "$TMP/log")" "kl reads a text that is there"
head -c 5000 "$TMP/base.dat" >"$TMP/cut.dat"
run bad "corpus: {base: cut.dat}"
refused "a base file that was cut" "positions of"
said=$("$QINSBENCH" kl-base "$KJV" --text "$TEXT" --context 32 --chunks 1000000 -o "$TMP/no.dat" 2>&1)
same "more chunks than there are: exit 2" $? 2
has "says how many" "$said" "expected 1000000 chunks or more"
check "and nothing is written" test ! -e "$TMP/no.dat"
"$QINSBENCH" kl-base "$KJV" -o "$TMP/no.dat" 2>"$TMP/log"
same "kl-base without a text: exit 2" $? 2
finish
