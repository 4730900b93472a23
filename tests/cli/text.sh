#!/bin/bash
# Text in and out: tokenize, logits, generate, chat, and a codec by itself.
. "$(dirname "$0")/lib.sh"
KJV=$ROOT/data/models/kjv-transformer.safetensors
SMALL=$ROOT/tests/golden/tokenizers
Q=$QINSBENCH
# Of tests/golden/kjv_forward.json, which torch made: the prompt of the first greedy run and what followed.
PROMPT="Now the LORD had said unto Abram, Get thee out of thy country, and from thy kindred, and from thy father's house, unto a land that I"
AFTER=" have given unto thy seed after thee.
And Abram said unto Abram, I have given thee a possession, and a possession of a possession of a possession of a possession of a possession.
And"

# ---- tokenize ----
same "ids and pieces as JSON" "$("$Q" tokenize "$KJV" "Abram, café" --output json)" \
    '{"ids": [32, 65, 2318, 11, 462, 69, 127, 102], "pieces": ["A", "b", "ram", ",", "Ġca", "f", "Ã", "©"]}'
same "a file's text" "$(printf '%s' "$PROMPT" >"$TMP/p.txt" && "$Q" tokenize "$KJV" --file "$TMP/p.txt" | awk '{ printf "%s ", $1 }' | cut -c1-40)" \
    "826 258 341 476 389 320 3051 11 4533 395"
same "BOS where the file says so" "$("$Q" tokenize "$SMALL/bytes.gguf" '<|begin|>a' --output json | grep -o '<|begin|>' | wc -l)" 1
same "--no-bos" "$("$Q" tokenize "$SMALL/bytes.gguf" a --no-bos --output json)" '{"ids": [64], "pieces": ["a"]}'
same "--no-special" "$("$Q" tokenize "$SMALL/bytes.gguf" '<|end|>' --no-bos --no-special --output json | grep -c '<|end|>')" 0
same "a text a line" "$(printf 'a\nb\n' >"$TMP/l.txt" && "$Q" tokenize "$SMALL/bytes.json" --file "$TMP/l.txt" --lines --no-bos --output json | wc -l)" 2
has "a tokenizer of an unknown kind is refused by name" "$(echo '{"model": {"type": "WordPiece", "vocab": {}}}' >"$TMP/t.json" && "$Q" tokenize "$TMP/t.json" a 2>&1)" "model.type: 'WordPiece'"

step='{"type":"Replace","pattern":{"String":"a"},"content":"'$(printf 'a%.0s' {1..100})'"}'
cp "$KJV" "$TMP/kjv-transformer.safetensors"
sed "s/\"normalizer\":null/\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[$step,$step,$step,$step,$step,$step]}/" \
    "$ROOT/data/models/kjv.tokenizer.json" >"$TMP/kjv.tokenizer.json"
said=$(ulimit -v 4000000; "$Q" tokenize "$TMP/kjv-transformer.safetensors" a 2>&1)
same "a letter of which a normalizer makes 10^12" $? 2
has "is too many" "$said" "the tokenizer's normalizer makes over 4160 bytes of a text, more than 64 for each"
sed 's/"normalizer":null/"normalizer":{"type":"Replace","pattern":{"String":""},"content":"x"}/' "$ROOT/data/models/kjv.tokenizer.json" >"$TMP/empty.json"
has "an empty pattern is told" "$("$Q" tokenize "$TMP/empty.json" a 2>&1)" "Replace: an empty pattern, which finds nothing"

# ---- logits, and the text that they make ----
"$Q" tokenize "$KJV" "$PROMPT" | awk '{ print $1 }' >"$TMP/ids.txt"
check "logits are written" "$Q" logits "$KJV" --tokens "$TMP/ids.txt" -o "$TMP/l.h5"
has "for each position and token" "$(h5dump -H "$TMP/l.h5")" "DATASPACE  SIMPLE { ( 32, 5000 )"
best() { h5dump -d logits -s 31,0 -c 1,5000 -y -w 1 "$1" | awk '/^ *-?[0-9]/ { sub(",", ""); if (n++ == 0 || $1 > most) { most = $1; at = n - 1 } } END { print at }'; }
same "the best of the last position is torch's next token" "$(best "$TMP/l.h5")" 394
check "under a variant" "$Q" logits "$KJV" --tokens "$TMP/ids.txt" -o "$TMP/v.h5" --variant int8-tensor
same "they are others" "$(cmp -s "$TMP/l.h5" "$TMP/v.h5" && echo same)" ""
printf 'name: mine\nbase: int8-tensor\n' >"$TMP/mine.yaml"
check "under a variant of one's own" "$Q" logits "$KJV" --tokens "$TMP/ids.txt" -o "$TMP/m.h5" --variant "$TMP/mine.yaml"
check "which is what it is based on" cmp "$TMP/v.h5" "$TMP/m.h5"
check "with other threads" "$Q" logits "$KJV" --tokens "$TMP/ids.txt" -o "$TMP/t.h5" --threads 3
check "they are the same" cmp "$TMP/l.h5" "$TMP/t.h5"
echo "826 x" >"$TMP/bad.txt"
has "ids that are none are told with their place" "$("$Q" logits "$KJV" --tokens "$TMP/bad.txt" -o "$TMP/x.h5" 2>&1)" "byte 4: expected a token id, found 'x'"
echo "826 5000" >"$TMP/bad.txt"
has "ids beyond the vocabulary are refused" "$("$Q" logits "$KJV" --tokens "$TMP/bad.txt" -o "$TMP/x.h5" 2>&1)" "5000"
same "and leave no file" "$(ls "$TMP" | grep -c '^x.h5')" 0

# ---- generate ----
same "a text continues as torch's does" "$("$Q" generate "$KJV" --prompt "$PROMPT" --steps 40 2>"$TMP/err")" "$AFTER"
has "tokens a second are told" "$(cat "$TMP/err")" "40 tokens"
same "and by decoding" "$("$Q" generate "$KJV" --prompt "$PROMPT" --steps 40 --arithmetic forward 2>"$TMP/err")" "$AFTER"
same "which is said by saying nothing" "$(grep -c fused "$TMP/err")" 0
has "another arithmetic" "$("$Q" generate "$KJV" -p a --arithmetic backward 2>&1)" "--arithmetic: expected fused or forward, found 'backward'"
if grep -q avx2 /proc/cpuinfo; then
    has "a file's F16 is multiplied as it lies" "$("$Q" generate "$KJV" -p "$PROMPT" -n 3 2>&1)" "[fp32, fused: 3 tokens"
fi
has "a context beyond what the model was trained for is said" \
    "$("$Q" generate "$ROOT/data/models/tiny-llama" -p "$PROMPT" -n 1 --context 4096 2>&1)" "note: --context 4096: the model was trained for "
same "seeded draws come again" "$("$Q" generate "$KJV" -p "$PROMPT" -n 20 --temperature 1 --seed 3 2>/dev/null)" "$("$Q" generate "$KJV" -p "$PROMPT" -n 20 --temperature 1 --seed 3 --threads 2 2>/dev/null)"
same "another seed draws others" "$([ "$("$Q" generate "$KJV" -p "$PROMPT" -n 20 --temperature 1 --seed 3 2>/dev/null)" = "$("$Q" generate "$KJV" -p "$PROMPT" -n 20 --temperature 1 --seed 4 2>/dev/null)" ] && echo same)" ""
has "a calibrated variant asks for a text" "$("$Q" generate "$KJV" -p a --variant calibrated 2>&1)" "--calibration FILE"
check "and takes one" "$Q" generate "$KJV" -p a -n 2 --variant calibrated --calibration "$ROOT/data/corpus/kjv.calibration"
check "the old form of make-model goes on" "$Q" generate chain --vocab 50 --hidden 16 --layers 1 -o "$TMP/m.safetensors"
has "a model without tokenizer is told" "$("$Q" generate "$TMP/m.safetensors" -p a 2>&1)" "has no tokenizer"
"$Q" generate "$KJV" -p "$PROMPT" -n 20 >/dev/full 2>"$TMP/err"
same "generate: a full stdout: exit 2" $? 2
same "it is told once, and nothing more is computed" "$(grep -c 'cannot write' "$TMP/err") $(grep -o '[0-9]* tokens, ' "$TMP/err")" "1 1 tokens, "

# ---- a codec from outside, under a variant of one's own that names it ----
build_planted
printf 'name: outside\ncodec: planted\npath: decode\nplacement: ["mlp.*"]\n' >"$TMP/outside.yaml"
has "without --codec it is unknown" "$("$Q" generate "$KJV" -p a --variant "$TMP/outside.yaml" 2>&1)" "no codec 'planted'"
same "generate --codec: nothing is lost in this one" "$("$Q" generate "$KJV" -p "$PROMPT" -n 5 --variant "$TMP/outside.yaml" --codec "$TMP/planted.so" 2>"$TMP/err")" \
    "$("$Q" generate "$KJV" -p "$PROMPT" -n 5 2>/dev/null)"
has "and it spoke under that variant" "$(cat "$TMP/err")" "outside.yaml"
same "chat --codec" "$(echo Abram | "$Q" chat "$KJV" --temperature 0 -n 4 --variant "$TMP/outside.yaml" --codec "$TMP/planted.so" 2>/dev/null)" \
    "$(echo Abram | "$Q" chat "$KJV" --temperature 0 -n 4 2>/dev/null)"
check "logits --codec" "$Q" logits "$KJV" --tokens "$TMP/ids.txt" -o "$TMP/o.h5" --variant "$TMP/outside.yaml" --codec "$TMP/planted.so" --codec "$TMP/planted.so"
for words in "generate $KJV -p a" "chat $KJV" "logits $KJV --tokens $TMP/ids.txt -o $TMP/x.h5"; do
    "$Q" $words --codec "$TMP/ids.txt" </dev/null >/dev/null 2>"$TMP/err"
    same "${words%% *} --codec with no plugin: exit 2" $? 2
    has "${words%% *}: it is named" "$(cat "$TMP/err")" "$TMP/ids.txt: expected a shared object"
done

# ---- chat ----
talk() { printf '%s\n' "$@" | "$Q" chat "$KJV" --temperature 0 -n 8 2>"$TMP/err"; }
same "an answer is a line" "$(talk 'Who is Abram?' | wc -l)" 1
has "a model without template is told" "$(cat "$TMP/err")" "no chat template"
has "tokens a second are told, and the variant" "$(cat "$TMP/err")" "[fp32"
has "a command that is none is named" "$(talk '/varaint q8_0'; cat "$TMP/err")" "/varaint: no such command"
same "/help is one" "$(talk /help; grep -c 'no such command' "$TMP/err")" 0
printf 'Who is Abram?\nWho?\n' | "$Q" chat "$KJV" -n 8 >/dev/full 2>"$TMP/err"
same "chat: a full stdout: exit 2" $? 2
same "the conversation ends there" "$(grep -c 'cannot write' "$TMP/err") $(grep -c 'fp32.*: 1 tokens' "$TMP/err")" "1 1"
same "two variants answer side by side" "$(talk '/variant fp32 int8-tensor' 'Who is Abram?' | sed 's/:.*//' | tr '\n' ' ')" "fp32 int8-tensor "
same "/reset forgets" "$(talk 'Who is Abram?' /reset 'Who is Abram?' | sort -u | wc -l)" 1
talk /help >/dev/null
has "/help" "$(cat "$TMP/err")" "/variant NAME NAME"
talk '/variant fp23' >/dev/null
has "a variant that is not there" "$(cat "$TMP/err")" "did you mean 'fp32'"
same "/quit ends" "$(talk /quit 'Who is Abram?')" ""

# ---- a codec by itself ----
head -c 1024 /dev/zero | tr '\0' '\77' >"$TMP/w.f32" # 256 times 0x3f3f3f3f, 0.7470588
check "encode" bash -c "'$Q' codec q8_0 --encode --rows 2 --cols 128 <'$TMP/w.f32' >'$TMP/w.q8'"
same "34 bytes a block of 32" "$(wc -c <"$TMP/w.q8")" 272
check "decode" bash -c "'$Q' codec q8_0 --decode --rows 2 --cols 128 <'$TMP/w.q8' >'$TMP/w.back'"
same "one value comes back everywhere" "$(od -An -v -tf4 -w4 "$TMP/w.back" | sort -u | awk '{ printf "%.3f\n", $1 }')" "0.747"
check "options" bash -c "'$Q' codec qins8 --encode --rows 2 --cols 128 --options scope=row <'$TMP/w.f32' >'$TMP/w.row'"
same "take effect" "$(cmp -s "$TMP/w.row" <("$Q" codec qins8 --encode --rows 2 --cols 128 <"$TMP/w.f32") && echo same)" ""
has "an unknown option" "$("$Q" codec qins8 --encode --rows 2 --cols 128 --options scop=row <"$TMP/w.f32" 2>&1)" "unknown key"
has "too few bytes" "$("$Q" codec q8_0 --encode --rows 3 --cols 128 <"$TMP/w.f32" 2>&1)" "1024 bytes, expected 1536"
has "too many bytes" "$("$Q" codec q8_0 --encode --rows 1 --cols 128 <"$TMP/w.f32" 2>&1)" "over 512 bytes"
finish
