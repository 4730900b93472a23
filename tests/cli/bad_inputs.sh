#!/bin/bash
# Bad input of every kind: exit code 2 (3 where a cell fails) and a message that says what and where. With --page the
# table of inputs and messages is printed as Markdown.
PAGE=0
[ "${1:-}" = --page ] && PAGE=1
. "$(dirname "$0")/lib.sh"
printf '# Bad inputs and the messages they get\n\nWritten by `tests/cli/bad_inputs.sh --page`. Exit code 2 unless said otherwise.\n' >"$TMP/page.md"
section() { printf '\n## %s\n\n| input | message |\n|---|---|\n' "$1" >>"$TMP/page.md"; }
# bad "WHAT" "PART OF THE MESSAGE" [-CODE] COMMAND...
bad() {
    local what=$1 part=$2 code=2 output status
    shift 2
    case $1 in -[0-9]) code=${1#-} && shift ;; esac
    output=$("$QINSBENCH" "$@" 2>&1 </dev/null)
    status=$?
    output=$(printf '%s\n' "$output" | grep -v '^\[.*done\|^note:\|cells done' | tail -n 1)
    output=${output//$TMP\//} output=${output//$ROOT\//} output=${output//$TMP/FOLDER}
    output=${output/it chose */it chose CORE}
    printf '| %s | `%s`%s |\n' "${what//|/\\|}" "${output//|/\\|}" "$([ $code = 2 ] || echo " (exit $code)")" >>"$TMP/page.md"
    if [ $status -eq $code ] && case "$output" in *"$part"*) true ;; *) false ;; esac; then
        [ $PAGE = 1 ] || pass "$what"
    else
        [ $PAGE = 1 ] || fail "$what" "exit $status, expected $code" "message: $output" "expected: ...$part..."
        [ $PAGE = 0 ] || echo "unexpected: $what: exit $status: $output" >&2
    fi
}
# suite "WHAT" "PART" SED-SCRIPT: a suite that is right but for one edit.
cat >"$TMP/good.yaml" <<'Y'
name: good
seed: 1
models:
  tiny:
    generator: chain
    vocab: 60
    hidden: 16
    layers: 1
    prompt: {random: 4, seed: model}
variants:
  - fp32
experiments:
  greedy: {steps: 4}
limits: {seconds: 600}
Y
suite() {
    sed "$3" "$TMP/good.yaml" >"$TMP/bad.yaml"
    bad "$1" "$2" run "$TMP/bad.yaml" -o "$TMP/bad.h5"
}
if [ $PAGE = 1 ]; then "$QINSBENCH" run "$TMP/good.yaml" -q -o "$TMP/good.h5"; else
    check "the suite without an edit runs" "$QINSBENCH" run "$TMP/good.yaml" -q -o "$TMP/good.h5"
fi

section "Command line"
bad "an unknown command" "did you mean 'run'" rnu
bad "an unknown option" "did you mean '--resume'" run "$TMP/good.yaml" --resum3
bad "an unknown short option" "unknown option '-z'" run "$TMP/good.yaml" -z
bad "an option without its argument" "needs an argument" run "$TMP/good.yaml" -o
bad "no suite" "expected one suite" run
bad "two suites" "expected one suite" run a.yaml b.yaml
bad "a suite that is not there" "no such file, and no shipped suite" run "$TMP/nothing.yaml"
bad "-j 0" "-j: expected an integer in [1, 256]" run "$TMP/good.yaml" -j 0
bad "-j two" "found 'two'" run "$TMP/good.yaml" -j two
bad "--threads 1000" "--threads: expected an integer" run "$TMP/good.yaml" --threads 1000
bad "--only that selects nothing" "no model matches 'kjv-*'; there is tiny" run "$TMP/good.yaml" --only 'kjv-*' -o "$TMP/bad.h5"
bad "--only of four parts" "one to three globs" run "$TMP/good.yaml" --only a/b/c/d -o "$TMP/bad.h5"
bad "--isa sse9" "expected portable, avx2, avx512 or amx" run "$TMP/good.yaml" --isa sse9
bad "--blas-core with an unknown name" "OpenBLAS does not know it" run "$TMP/good.yaml" --blas-core Abacus
bad "--cache-size that is no size" "expected bytes such as 2GiB" run "$TMP/good.yaml" --cache-size plenty
bad "--set without =" "expected key=value" run "$TMP/good.yaml" --set models.tiny.seed
bad "--set of a model that is not there" "tiny" run "$TMP/good.yaml" --set models.tine.seed=7
bad "--set of a wrong type" "--set" run "$TMP/good.yaml" --set models.tiny.seed=seven
bad "--output xml" "expected console, csv, json or markdown" show "$TMP/good.h5" --output xml
bad "list of something else" "did you mean 'codecs'" list codec
bad "generate of another architecture" "expected" generate perceptron -o "$TMP/x.safetensors"
bad "make-model without -o" "-o FILE" make-model chain
bad "generate without a prompt" "--prompt TEXT" generate chain
bad "convert without -o" "expected a model and -o FILE" convert "$ROOT/data/models/kjv-chain.safetensors"
bad "convert by a variant and a codec" "not both" convert a --variant b --codec c -o "$TMP/x.safetensors"
bad "convert by an unknown codec" "int9" convert "$ROOT/data/models/kjv-chain.safetensors" --codec int9 -o "$TMP/x.safetensors"
bad "convert by a codec's unknown option" "scope" convert "$ROOT/data/models/kjv-chain.safetensors" --codec int8:scop=row -o "$TMP/x.safetensors"
bad "convert by options without values" "ID:key=value" convert "$ROOT/data/models/kjv-chain.safetensors" --codec int8:scope -o "$TMP/x.safetensors"
bad "convert by a variant that computes on codes" "no file of weights can hold" convert "$ROOT/data/models/kjv-chain.safetensors" --variant legacy -o "$TMP/x.safetensors"
bad "inspect of an unknown kind of file" "expected a folder or a name that ends in" inspect "$TMP/good"
printf 'precious\n' >"$TMP/precious.txt"
bad "-o over a file that is no result file" "it is left alone" run "$TMP/good.yaml" -o "$TMP/precious.txt"
bad "-o over finished cells" "2 finished cells (first tiny/reference/greedy) would be dropped" run "$TMP/good.yaml" -o "$TMP/good.h5"
bad "show of a metric that is not there" "did you mean 'match_rate'" show "$TMP/good.h5" --metric match_rat
bad "show of a variant that is not there" "did you mean 'fp32'" show "$TMP/good.h5" --only '*/fp23'
bad "compare of a variant that is not there" "did you mean 'fp32'" compare "$TMP/good.h5" --variants fp32,fp33
printf 'rules:\n  - {metric: kl_men, test: identical}\n' >"$TMP/bad.yaml"
bad "a gate's rule with a metric that is not there" "did you mean 'kl_mean'" gate "$TMP/good.h5" -b "$TMP/good.h5" --rules "$TMP/bad.yaml"
bad "-o over a folder" "expected a file" run "$TMP/good.yaml" -o "$TMP"

section "Suites"
suite "an unknown key" "did you mean 'experiments'" 's/^experiments:/experimens:/'
suite "no name" "expected the key 'name'" '/^name/d'
suite "a name with a slash" "letters, digits" 's/^name: good/name: a\/b/'
suite "no models" "expected the key 'models'" '/^models/,/prompt/d'
suite "a negative seed" "seed" 's/^seed: 1/seed: -1/'
suite "a tab" "bad.yaml:" 's/^seed: 1/\tseed: 1/'
suite "a key given twice" "seed" 's/^seed: 1/seed: 1\nseed: 2/'
suite "an unknown generator" "expected transformer" 's/generator: chain/generator: rnn/'
suite "neither generator nor file" "expected either" '/generator: chain/d'
suite "both generator and file" "expected either" 's/generator: chain/generator: chain\n    file: x.safetensors/'
suite "an unknown key of a model" "did you mean 'hidden'" 's/hidden: 16/hiden: 16/'
suite "a size out of range" "layers" 's/layers: 1/layers: 100000/'
suite "a size that is no number" "vocab" 's/vocab: 60/vocab: many/'
suite "a model file that is not there" "no such file 'gone.safetensors'" '/generator\|vocab\|hidden\|layers/d; s/^    prompt.*/    file: gone.safetensors/'
suite "generator keys on a file" "belongs to generated models" "/generator\|vocab\|hidden/d; s|layers: 1|layers: 1\n    file: $ROOT/data/models/kjv-chain.safetensors|"
suite "a prompt of no kind" "expected {random: N" 's/prompt: .*/prompt: {text: hello}/'
suite "a corpus that is not there" "no such file 'gone.txt'" 's/prompt: .*/prompt: {corpus: gone.txt, count: 2, length: 3}/'
suite "text for a model without tokenizer" "has no tokenizer" "s|prompt: .*|prompt: {corpus: $ROOT/data/corpus/kjv.heldout, count: 2, length: 3}|"
suite "an unknown variant" "did you mean 'fp32'" 's/- fp32/- fp3/'
suite "a variant twice" "is in the list twice" 's/- fp32/- fp32\n  - fp32/'
suite "a variant file that is not there" "no such file './gone.yaml'" 's/- fp32/- .\/gone.yaml/'
suite "a variant with an unknown codec" "codec" 's/- fp32/- {name: x, codec: quins8}/'
suite "a variant with an unknown codec option" "scope" 's/- fp32/- {name: x, codec: qins8, options: {scop: row}, placement: ["mlp.*"]}/'
suite "a codec option out of range" "group" 's/- fp32/- {name: x, codec: qins8, options: {scope: "group:0"}, placement: ["mlp.*"]}/'
suite "a placement of no role" "no role matches" 's/- fp32/- {name: x, codec: qins8, placement: [mpl.up]}/'
suite "rotate without a codec" "has no effect without a codec" 's/- fp32/- {name: x, rotate: hadamard}/'
suite "a rotation of coordinates" "only path: decode has it" 's/- fp32/- {name: x, base: legacy, rotate: hadamard}/'
suite "input_scale with calibration" "do not go together" 's/- fp32/- {name: x, base: int8-tensor, input_scale: awq, calibration: {scale: true}}/'
suite "an unknown rule of input_scale" "expected one of none, awq, smoothquant" 's/- fp32/- {name: x, base: int8-tensor, input_scale: omniquant}/'
suite "an unknown rule of compensate" "expected one of none, gptq" 's/- fp32/- {name: x, base: int8-tensor, compensate: obq}/'
suite "the variant name reference" "is kept for the FP32 run" 's/- fp32/- {name: reference, codec: qins8, placement: ["mlp.*"]}/'
suite "a shipped variant's name for another variant" "the name 'legacy' is taken by the shipped data/variants/legacy.yaml" 's/- fp32/- {name: legacy, codec: int8, placement: ["mlp.*"]}/'
suite "models that differ in case alone" "differs from the model 'tiny' in case alone" 's/^variants:/  Tiny: {generator: chain}\nvariants:/'
suite "an unknown experiment" "did you mean 'greedy'" 's/greedy: {/greedi: {/'
suite "an unknown option of an experiment" "did you mean 'steps'" 's/steps: 4/step: 4/'
suite "an option out of range" "steps" 's/steps: 4/steps: 0/'
suite "a restriction that names nothing" "expected one of the suite's experiments" 's/layers: 1/layers: 1\n    experiments: [speed]/'
suite "a budget of nothing" "expected bytes in [1, 1024TiB], as 4GiB, 512MiB or 1048576, or none, found '0'" 's/greedy: .*/memory: {budget: 0}/'
suite "a budget beyond all" "found '1e30 GiB'" 's/greedy: .*/memory: {budget: 1e30 GiB}/'
suite "a budget that is no number" "found 'nan'" 's/greedy: .*/memory: {budget: nan}/'
suite "a memory limit without unit" "expected bytes such as 2GiB" 's/seconds: 600/memory: 2 gigs/'
suite "a plan over its own limit" "limits.cells is 1" 's/seconds: 600/cells: 1/'
sed '/generator\|vocab\|hidden\|layers/d' "$TMP/good.yaml" | sed "s|prompt: .*|file: $ROOT/data/models/kjv-chain.safetensors|; s/- fp32/- calibrated/" >"$TMP/bad.yaml"
bad "a calibrated variant on a file without contexts" "expected the key 'calibration'" run "$TMP/bad.yaml" -o "$TMP/bad.h5"
printf 'a: [1, 2\n' >"$TMP/bad.yaml"
bad "YAML that does not end" "bad.yaml:" run "$TMP/bad.yaml"
printf 'a: &x 1\nb: *x\n' >"$TMP/bad.yaml"
bad "YAML with an alias" "bad.yaml:" run "$TMP/bad.yaml"
: >"$TMP/bad.yaml"
bad "an empty file" "bad.yaml" run "$TMP/bad.yaml"

section "Models (safetensors)"
printf 'name: m\nmodels: {m: {file: bad.safetensors, prompt: {random: 2, seed: 1}}}\nvariants: [fp32]\nexperiments: {greedy: {steps: 2}}\n' >"$TMP/m.yaml"
"$QINSBENCH" make-model chain --vocab 40 --hidden 16 --layers 1 -o "$TMP/ok.safetensors" 2>/dev/null
model() {
    bad "$1" "$2" inspect "$TMP/bad.safetensors"
    [ "${3:-}" = "" ] || bad "$1, in a run" "$2" run "$TMP/m.yaml" -o "$TMP/bad.h5"
}
head -c 4 "$TMP/ok.safetensors" >"$TMP/bad.safetensors"
model "a file of four bytes" "bad.safetensors"
head -c 2000 "$TMP/ok.safetensors" >"$TMP/bad.safetensors"
model "a file cut off" "bad.safetensors" run
{ printf '\377\377\377\377\377\377\377\177'; tail -c +9 "$TMP/ok.safetensors"; } >"$TMP/bad.safetensors"
model "a header length over the file" "bad.safetensors"
{ printf '\002\000\000\000\000\000\000\000{]'; } >"$TMP/bad.safetensors"
model "a header that is no JSON" "bad.safetensors"
{ cat "$TMP/ok.safetensors"; printf 'more'; } >"$TMP/bad.safetensors"
model "bytes after the last tensor" "bad.safetensors"
sed 's/"F32"/"F33"/' "$TMP/ok.safetensors" >"$TMP/bad.safetensors"
model "an unknown dtype" "F33"
size=$(stat -c %s "$TMP/ok.safetensors")
{ head -c $((size - 4)) "$TMP/ok.safetensors"; printf '\000\000\300\177'; } >"$TMP/bad.safetensors"
bad "NaN in a tensor" "NaN" run "$TMP/m.yaml" -o "$TMP/bad.h5"

section "Result files (HDF5)"
printf 'name,value\n' >"$TMP/bad.h5"
bad "a text file" "bad.h5" show "$TMP/bad.h5"
head -c 3000 "$TMP/good.h5" >"$TMP/bad.h5" 2>/dev/null
bad "a file cut off" "bad.h5" show "$TMP/bad.h5"
{ head -c 5000 "$TMP/good.h5"; printf 'XXXXXXXX'; tail -c +5009 "$TMP/good.h5"; } >"$TMP/bad.h5" 2>/dev/null
bad "a damaged file" "bad.h5" show "$TMP/bad.h5"
: >"$TMP/bad.h5"
bad "an empty file" "bad.h5" show "$TMP/bad.h5"
rm -f "$TMP/bad.h5"
bad "a file that is not there" "gone.h5" show "$TMP/gone.h5"
bad "a file that is not there, for claims" "gone.h5" claims "$TMP/gone.h5"

section "Codec plugins"
printf 'no object\n' >"$TMP/bad.so"
bad "a file that is no shared object" "bad.so" run "$TMP/good.yaml" --codec "$TMP/bad.so"
bad "a plugin that is not there" "gone.so" run "$TMP/good.yaml" --codec "$TMP/gone.so"
printf 'int nothing;\n' >"$TMP/x.c" && ${CC:-cc} -shared -fPIC -o "$TMP/noentry.so" "$TMP/x.c"
bad "a shared object without qb_codec_entry" "qb_codec_entry" inspect "$TMP/noentry.so"
cp "$ROOT/$BUILD/codecs/fp32.so" "$TMP/other.so"
bad "a codec id that is taken" "fp32" run "$TMP/good.yaml" --codec "$TMP/other.so"
# plugins LIST: good.yaml with these plugins
plugins() { { cat "$TMP/good.yaml" && echo "plugins: $1"; } >"$TMP/bad.yaml"; }
mkdir -p "$TMP/none" && plugins none
bad "plugins of a suite that are no list" "key 'plugins': expected a list" run "$TMP/bad.yaml"
plugins "[]"
bad "an empty list of plugins" "expected codec plugins" run "$TMP/bad.yaml"
plugins "[gone.so]"
bad "a suite's plugin that is not there" "no such file 'gone.so'" run "$TMP/bad.yaml"
plugins "[bad.so]"
bad "a suite's plugin that is none" "key 'plugins': bad.so: expected a shared object" inspect "$TMP/bad.yaml"
plugins "[none]"
bad "a folder without plugins" "no codec plugin (*.so) in this folder" run "$TMP/bad.yaml"
plugins "[other.so]"
bad "a suite's plugin whose codec id is taken" "is taken by" run "$TMP/bad.yaml"
sed "s/- fp32/- q4_0/" "$TMP/good.yaml" >"$TMP/bad.yaml"
bad "rows that are no whole blocks of a format" "tensor embed.weight: codec 'q4_0'" -3 run "$TMP/bad.yaml" -o "$TMP/bad.h5" --force --quiet
if build_planted 2>/dev/null; then
    for fault in crash nan refuse; do
        sed "s/- fp32/- {name: $fault, codec: planted, options: {fault: $fault}, placement: ['mlp.*']}/" "$TMP/good.yaml" >"$TMP/bad.yaml"
        case $fault in crash) part=SIGABRT ;; nan) part="came out as nan" ;; *) part="planted refusal" ;; esac
        bad "a codec with a planted fault: $fault" "$part" -3 run "$TMP/bad.yaml" --codec "$TMP/planted.so" -o "$TMP/bad.h5" --force --quiet
    done
fi
section "Files that are none"
mkfifo "$TMP/fifo.yaml"
ln -s fifo.yaml "$TMP/fifo.h5"
ln -s fifo.yaml "$TMP/fifo.gguf"
ln -s /dev/zero "$TMP/zero.so"
mkdir "$TMP/folder.yaml"
bad "a FIFO as a suite" "is a FIFO, expected a file" run "$TMP/fifo.yaml"
bad "a folder as a suite" "is a folder, expected a file" run "$TMP/folder.yaml"
bad "a FIFO as a model" "is a FIFO, expected a file" inspect "$TMP/fifo.gguf"
bad "a FIFO as a result file" "is a FIFO, expected a file" show "$TMP/fifo.h5"
bad "a device as a plugin" "expected a file" inspect "$TMP/zero.so"
if [ $PAGE = 1 ]; then
    cat "$TMP/page.md"
    exit 0
fi
[ -n "${SANITIZED:-}" ] || same "docs/errors.md is what --page writes" "$(diff docs/errors.md "$TMP/page.md")" ""
same "the mistyped -o was left alone" "$(cat "$TMP/precious.txt")" precious
finish
