#!/bin/bash
# docs/result-file.md and a real file: every array, attribute and column of a run of all experiments is on the page, arrays with
# their type and number of dimensions, and every array of the page is in the file.
. "$(dirname "$0")/lib.sh"
page=docs/result-file.md
seq 0 59 >"$TMP/tokens"
echo '{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1], ["b", -2], ["c", -3]]}}' >"$TMP/tokenizer.json"
echo '{"question": "ab", "choices": ["c", "a"], "answer": 1}' >"$TMP/task.jsonl"
cat >"$TMP/s.yaml" <<Y
name: page
models:
  transformer:
    generator: transformer
    vocab: 60
    hidden: 32
    layers: 2
    prompt: {random: 6, seed: 1}
    corpus: {tokens: tokens, context: 8, chunks: 5}
    calibration: {random: 6, length: 8, seed: 1}
    tokenizer: tokenizer.json
  chain: # its text is FP32's own
    generator: chain
    vocab: 60
    hidden: 32
    prompt: {random: 6, seed: 1}
    corpus: {greedy: 20}
    experiments: [teacher-forced, depth, choice]
    tokenizer: tokenizer.json
  causal: # keys and values are kept of none of the others
    file: $ROOT/data/models/tiny-llama
    corpus: {tokens: tokens, context: 30, chunks: 2}
    calibration: {random: 6, length: 8, seed: 1}
    experiments: [kv, memory, speed]
  recalls: # nothing shorter fits
    file: $ROOT/data/models/tiny-llama
    corpus: {file: $ROOT/data/corpus/tiny.heldout, context: 504, chunks: 1}
    calibration: {random: 6, length: 8, seed: 1}
    experiments: [recall]
variants:
  - pattern-a
  - legacy
  - calibrated
  - {name: kept, codec: qins8, placement: ["mlp.*", "attn.*"], calibration: {fp16: [attn.q]}}
  - {name: mixed, codec: q4_k, otherwise: q8_0, placement: ["mlp.*"]}
  - {name: more, codec: int8, placement: ["mlp.*"], others: [{codec: fp16, placement: ["attn.*"]}], act: fp16}
experiments:
  roundtrip: {rows: 32, cols: 256}
  predict: {positions: 16}
  linearity: {trials: 5, length: 256}
  depth: {positions: 10}
  greedy: {steps: 10}
  teacher-forced: {}
  kl: {}
  kv: {step: 7}
  recall: {passage: 4, repeats: 1}
  choice: {tasks: {t: {file: task.jsonl, delimiter: ''}}}
  attribute: {}
  memory: {steps: 6, every: 2, budget: 32MiB, batch_context: 8}
  speed: {repeats: 3, prefill: 4, decode: 2, depth: 2k}
Y
log=$("$QINSBENCH" run "$TMP/s.yaml" -q --only '*' --cache "$TMP/cache" -o "$TMP/r.h5" 2>&1)
same "all experiments run" "$? $(grep -v ^warning <<<"$log")" "0 "
same "and the suite has all of them" "$("$QINSBENCH" list experiments --output csv | sed 1d | cut -d, -f1 | sort | tr -d '\r')" \
    "$(sed -n '/^experiments:/,$s/^  \([a-z-]*\):.*/\1/p' "$TMP/s.yaml" | sort)"

# in_file RESULT: "experiment array type dimensions" of the arrays of variants' cells.
in_file() {
    h5ls -r -v "$1" | awk '
        /^\// { path = $1; dims = $0; sub(/.* Dataset /, "", dims); set = $2 == "Dataset"; next }
        set && /^    Type:/ && path ~ /^\/cells\/[^\/]*\/[^\/]*\/[^\/]*\// && path !~ /^\/cells\/[^\/]*\/reference\// {
            split(path, part, "/")
            type = /string/ ? "text" : /double/ ? "f64" : /float/ ? "f32" : /unsigned char/ ? "u8" : /long/ ? "i64" : "i32"
            rank = dims ~ /SCALAR/ ? 0 : split(dims, each, ",")
            print part[5], part[6], type, rank
        }' | sort -u
}
# on_page PAGE: likewise, of the paragraphs "**experiment**: ...". Names stand before their type, "`a`, `b` f64[T]", or, up to
# the sentence's end, behind it, "scalars i64: `a`, `b`"; what is in parentheses is about what stands before them.
on_page() {
    awk '
        function say(name, type,   rank) {
            rank = type ~ /\[/ ? split(type, each, ",") : 0
            sub(/\[.*/, "", type)
            print experiment, name, type, rank
        }
        function flush(   rest, pending, n, i, word, all, type) {
            rest = text
            while (gsub(/\([^()]*\)/, "", rest)) { }
            all = ""
            while (match(rest, /`[a-z0-9_]+`|(f32|f64|i32|i64|u8|text)(\[[^]]*\])?:?|[.;:] /)) {
                word = substr(rest, RSTART, RLENGTH)
                rest = substr(rest, RSTART + RLENGTH)
                if (word ~ /^`/) {
                    gsub(/`/, "", word)
                    pending[++n] = word
                } else {
                    type = word ~ /^[a-z]/ ? word : all
                    sub(/:$/, "", type)
                    for (i = 1; type && i <= n; i++) say(pending[i], type)
                    all = n == 0 && word ~ /^[a-z].*:$/ ? type : ""
                    n = 0
                }
            }
            text = ""
        }
        /^\*\*[a-z-]*\*\*/ { flush(); experiment = $1; gsub(/[*:,]/, "", experiment) }
        /^\*\*The variant/ || /^## / { flush(); experiment = "" }
        experiment && /^\| `/ { gsub(/`/, "", $2); say($2, "f64[R]"); next } # the table of ceilings
        experiment { text = text " " $0 }
        END { flush() }' "$1" | awk '
        $1 == "teacher-forced" { print "kl", $2, $3, $4; print "kv", $2, $3, $4 } # which record what it does
        $1 == "calibrated" { print "teacher-forced", $2, $3, $4; print "greedy", $2, $3, $4; print "kl", $2, $3, $4; print "kv", $2, $3, $4 }
        $1 == "calibrated" && $2 ~ /^calibration_/ { for (i = split("attribute recall choice", who, " "); i; i--) print who[i], $2, $3, $4 }
        $1 != "calibrated"' | sort -u
}
in_file "$TMP/r.h5" >"$TMP/file"
on_page $page >"$TMP/page"
check "the file has arrays of all experiments" test "$(cut -d' ' -f1 "$TMP/file" | sort -u | wc -l)" = 13
same "every array is on the page, with its type" "$(comm -23 "$TMP/file" "$TMP/page")" ""
same "every array of the page is in the file" "$(comm -13 "$TMP/file" "$TMP/page")" ""
# The same page with other words: each change is found out.
changed() { comm -3 "$TMP/file" <(sed "$1" $page | on_page /dev/stdin) | tr -d '\t'; }
same "an array that the page lacks" "$(changed 's/`decode_tokens`, //')" "speed decode_tokens f64 0"
has "one that no file has" "$(changed 's/`local_error`/&, `global_error`/')" "depth global_error f32 2"
has "another type" "$(changed 's/`hit`, `reference_hit` f64/`hit`, `reference_hit` f32/')" "teacher-forced hit f32 1"

# attributes PATTERN: of the objects whose path matches, without what stands for a name in them.
attributes() {
    h5ls -r -v "$TMP/r.h5" | awk -v pattern="$1" '
        /^\// { on = $1 ~ pattern; next }
        on && $1 == "Attribute:" { print $2 }' | sort -u
}
unsaid() { while read -r name; do grep -qE "(^|[^a-z_.])$name([^a-z_]|$)" <<<"$1" || echo "$name"; done; }
block=$(awk '/^```/ { n++ } n == 1' $page)
same "every attribute of cells" "$(attributes '^/cells/[^/]*/[^/]*/[^/]*$' | sed 's/^ran\..*/ran.<fact>/' | unsaid "$block")" ""
same "and no other" "$(sed -n '/    attributes /,/<array>/p' <<<"$block" | sed '/<array>/d' | tr '\n' ' ' | sed 's/([^()]*)//g; s/;.*//' | tr ',' '\n' |
    grep -oE '[a-z_]+( *$| \(|;)' | tr -dc 'a-z_\n' | sort -u | comm -23 - <({ attributes '^/cells/[^/]*/[^/]*/[^/]*$'; } | sort -u))" ""
same "every attribute of arrays" "$(attributes '^/cells/.*/.*/.*/' | tr '\n' ' ')" "description unit "
same "of the file" "$(attributes '^/$' | unsaid "$(grep -m 1 '^/  .*attributes:' $page)")" ""
facts=$(sed -n '/^## Provenance/,/^## Arrays/p' $page)
same "every fact of the provenance" "$(attributes '^/provenance$' | sed -E 's/^(model|codec)\..*(\.[a-z0-9_]*)$/\2/; s/^(variant|codecs)\..*/\1.<name>/' | sort -u | unsaid "$facts")" ""
same "every column of the summary" "$(h5ls -v "$TMP/r.h5/summary" | grep -o '"[a-z_]*"' | tr -d '"' | unsaid "$(sed -n '/^\/summary/,/^\/cells/p' $page)")" ""
finish
