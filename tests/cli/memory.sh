#!/bin/bash
# Memory along a generation: what the cache's format says is what grows, and a leak is seen. What fits into a budget: counted,
# made, filled and stepped; one more is over it; what is too small, or more than the machine has, is said.
. "$(dirname "$0")/lib.sh"
check "the planted codec builds" build_planted
cat >"$TMP/s.yaml" <<Y
name: memory
models: {m: {file: $ROOT/data/models/tiny-llama}}
variants:
  - fp32
  - kv-q8_0
  - {name: blocks, kv: {keys: fp16, values: q4_0, block: 16}}
  - {name: sound, codec: planted, placement: [attn.q]}
  - {name: leak, codec: planted, options: {fault: leak}, placement: [attn.q]}
experiments: {memory: {steps: 320, every: 8}}
Y
"$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/planted.so" -o "$TMP/s.h5" -q 2>"$TMP/log"
same "a generation is measured" $? 0
# value FILE VARIANT METRIC; note likewise
value() { "$QINSBENCH" show "$1" --output csv --only "m/$2/memory" --metric "$3" | tail -n 1 | cut -d, -f5 | tr -d '\r'; }
note() { "$QINSBENCH" show "$1" --output json --only "m/$2/memory" --metric "$3" | sed -n 's/.*"note": "\([^"]*\)".*/\1/p'; }
for variant in fp32:3072 kv-q8_0:816 blocks:984; do
    same "${variant%:*}: the cache grows by what its format says" "$(value "$TMP/s.h5" "${variant%:*}" memory_growth)" "${variant#*:}"
done
above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 > b) }'; }
# tiny-llama has three layers, and a step decodes the planted matrix of each once: 49152 bytes a token.
check "a leak of 16 KiB a decode is seen" above "$(value "$TMP/s.h5" leak memory_growth_beyond)" 40000
has "and said" "$(note "$TMP/s.h5" leak memory_growth_beyond)" "something grows that is not counted"
check "the same codec without it does not grow so" above 20000 "$(value "$TMP/s.h5" sound memory_growth_beyond)"
check "the leak is in the measured growth" above "$(value "$TMP/s.h5" leak memory_growth_measured)" 40000

fits() { # NAME BUDGET VARIANTS
    sed "s/{steps.*}}/{budget: $2, batch_context: 64}}/; /sound/d; /leak/d" "$TMP/s.yaml" >"$TMP/$1.yaml"
    "$QINSBENCH" run "$TMP/$1.yaml" -o "$TMP/$1.h5" -q 2>"$TMP/log"
    same "a budget of $2: exit 0" $? 0
}
fits some 48MiB
for variant in fp32 kv-q8_0 blocks; do
    for metric in context batch; do
        said=$(note "$TMP/some.h5" $variant ${metric}_at_budget)
        check "$variant: $metric is within it, and one more is not: $said" awk -v said="$said" 'BEGIN {
            match(said, /[0-9]+ of 50331648 bytes; [0-9]+ with/); n = split(substr(said, RSTART, RLENGTH), w, " ")
            exit !(n == 6 && w[1] <= 50331648 && w[5] > 50331648) }'
        has "$variant: $metric was run" "$said" "run at its end: peak RSS"
    done
    check "$variant: what ran is there: the budget's bytes are resident" above "$(value "$TMP/some.h5" $variant budget_peak_rss_bytes)" 48000000
done
same "a context is whole blocks" $(($(value "$TMP/some.h5" blocks context_at_budget) % 16)) 0
fits small 1MiB
for metric in context_at_budget batch_at_budget; do
    same "$metric: nothing fits, and it is not 0" "$(value "$TMP/small.h5" fp32 $metric)" ""
    has "$metric: and why" "$(note "$TMP/small.h5" fp32 $metric)" "the weights alone take"
done
has "nothing ran" "$(note "$TMP/small.h5" fp32 budget_peak_rss_bytes)" "nothing fits"
fits huge 2TiB
has "more than the machine has is computed and not run" "$(note "$TMP/huge.h5" fp32 batch_at_budget)" "that the machine has left"
has "so that there is no peak" "$(note "$TMP/huge.h5" fp32 budget_peak_rss_bytes)" "not run"
sed 's/{budget: 1MiB, batch_context: 64}/{steps: 5, budget: 1GiB}/; s/{file: .*}}/{generator: chain, vocab: 20, hidden: 16, layers: 1}}/; /kv/d' "$TMP/small.yaml" >"$TMP/none.yaml"
check "a model without a cache runs" "$QINSBENCH" run "$TMP/none.yaml" -o "$TMP/none.h5" -q
for metric in memory_growth memory_growth_beyond context_at_budget batch_at_budget budget_peak_rss_bytes; do
    has "$metric: it says why there is none" "$(note "$TMP/none.h5" fp32 $metric)" "it keeps no keys or values"
done
for budget in 0 "1e30 GiB" nan -1 4GB 2048TiB; do
    sed "s/1MiB/$budget/" "$TMP/small.yaml" >"$TMP/bad.yaml"
    said=$("$QINSBENCH" run "$TMP/bad.yaml" -o "$TMP/bad.h5" 2>&1)
    same "budget: $budget: exit 2" $? 2
    has "names file, line and expectation" "$said" "bad.yaml:7"
    has "and what was found" "$said" "expected bytes in [1, 1024TiB], as 4GiB, 512MiB or 1048576, or none, found '$budget'"
done
finish
