#!/bin/bash
# Fuzzes each target (or those that are named) for TIME seconds (60) and prints a table; 1 when there is a finding. BUILD:
# the program that makes seeds (build); FUZZ: the fuzzers (build-fuzz), where corpora and findings are kept.
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=${BUILD:-build} FUZZ=${FUZZ:-build-fuzz} TIME=${TIME:-60} PROGRAM=${PROGRAM:-fuzz}
export QINSBENCH_CODECS="$PWD/$FUZZ/codecs" OPENBLAS_NUM_THREADS=1
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1

put() { # target file...: they are seeds of it
    local target=$1 file
    shift
    mkdir -p "$FUZZ/corpus/$target"
    for file in "$@"; do
        cp "$file" "$FUZZ/corpus/$target/$(cksum <"$file" | tr ' ' '-')"
    done
}

seeds() { # from files that are here, and small ones that the program makes
    local tmp file
    tmp=$(mktemp -d)
    trap 'rm -rf "$tmp"' RETURN
    put yaml data/variants/*.yaml experiments/suites/*.yaml data/gate/default.yaml
    put suite experiments/suites/*.yaml data/new-codec/suite.yaml
    put variant data/variants/*.yaml
    put rules data/gate/default.yaml
    put claims data/claims/*.yaml
    printf '1 2 3\n299\t0' >"$tmp/tokens"
    put tokens "$tmp/tokens"
    put config tests/golden/families/*/config.json
    printf '{"weight_map":{"model.embed_tokens.weight":"one.safetensors"}}' >"$tmp/index"
    put index "$tmp/index"
    put tokenizer tests/golden/tokenizers/*
    for file in 0 1 2 3 4 5 6 7; do
        printf "\\x0${file}In the beginning <s> caf\xc3\xa9 1234\n" >"$tmp/text"
        put text "$tmp/text"
    done
    put chat tests/fuzz/seeds/chat/*
    put logits tests/golden/kl_base.dat
    put gguf tests/golden/gguf_cases.gguf
    for file in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do
        printf "\\x0${file}\x01\x07\x00\x3c\x00\x3c\x12\x34\x56\x78\x9a" >"$tmp/decode"
        put decode "$tmp/decode"
    done
    env -u QINSBENCH_CODECS "$BUILD/qinsbench" make-model chain --vocab 20 --hidden 8 --layers 1 -o "$tmp/m.safetensors" >/dev/null 2>&1 &&
        put safetensors "$tmp/m.safetensors" &&
        env -u QINSBENCH_CODECS "$BUILD/qinsbench" convert "$tmp/m.safetensors" --codec int8 -o "$tmp/e.safetensors" >/dev/null 2>&1 &&
        put safetensors "$tmp/e.safetensors"
    printf 'name: seed\nmodels:\n  m: {file: %s}\nvariants: [fp32, pattern-a]\nexperiments:\n  memory: {}\n' "$tmp/m.safetensors" >"$tmp/s.yaml"
    env -u QINSBENCH_CODECS "$BUILD/qinsbench" run "$tmp/s.yaml" -q -o "$tmp/r.h5" >/dev/null &&
        tail -c +513 "$tmp/r.h5" >"$tmp/result" && put result "$tmp/result" &&
        env -u QINSBENCH_CODECS "$BUILD/qinsbench" baseline accept "$tmp/r.h5" --reason seed -o "$tmp/b.json" >/dev/null &&
        put baseline "$tmp/b.json"
    for file in tests/fuzz/regressions/*/*; do
        [ -e "$file" ] && put "$(basename "$(dirname "$file")")" "$file"
    done
}

targets=$*
[ -n "$targets" ] || targets=$(grep -o '{"[a-z]*", fuzz_' tests/fuzz/fuzz.c | cut -d\" -f2)
mkdir -p "$FUZZ/findings"
seeds
printf '%-12s %12s %8s %8s %9s\n' target executions edges corpus findings
bad=0
for target in $targets; do
    mkdir -p "$FUZZ/corpus/$target"
    before=$(find "$FUZZ/findings" -name "$target-*" | wc -l)
    TARGET=$target "$FUZZ/tests/fuzz/$PROGRAM" -max_total_time="$TIME" -timeout=25 -rss_limit_mb=2048 -max_len=65536 \
        -print_final_stats=1 -artifact_prefix="$FUZZ/findings/$target-" "$FUZZ/corpus/$target" >"$FUZZ/$target.log" 2>&1
    status=$?
    found=$(($(find "$FUZZ/findings" -name "$target-*" | wc -l) - before))
    [ $status -eq 0 ] || [ $found -gt 0 ] || found=1
    printf '%-12s %12s %8s %8s %9s\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$FUZZ/$target.log" | tail -n 1)" \
        "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$FUZZ/$target.log" | tail -n 1)" \
        "$(find "$FUZZ/corpus/$target" -type f | wc -l)" "$found"
    if [ $status -ne 0 ]; then
        bad=1
        grep -m 3 -E '^fuzz: |ERROR: |SUMMARY: |runtime error' "$FUZZ/$target.log" | sed 's/^/    /'
        echo "    again: TARGET=$target QINSBENCH_CODECS=$FUZZ/codecs $FUZZ/tests/fuzz/$PROGRAM $FUZZ/findings/$target-*"
    fi
done
exit $bad
