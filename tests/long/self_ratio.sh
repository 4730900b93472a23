#!/bin/bash
# FP32 over FP32 in `speed`, in RUNS runs (default 20) on three models: the median of the ratios and how often their 95%
# intervals hold 1. LOAD=N keeps N processes busy beside it (default 0); OPTIONS are the experiment's. Rows: the second
# FP32 net ("self") and the variant fp32 ("variant"), each over the reference. An interval of a fair run holds 1 in at
# least 95 of 100, on a busy machine too; the test asks that no row's intervals miss 1 more often than a fair row's would
# in one of 1000 tests (binomial).
# QINSBENCH=/path/to/another/qinsbench measures that program; a program without the self arm has the variant's rows alone.
. "$(dirname "$0")/../cli/lib.sh"
RUNS=${RUNS:-20} LOAD=${LOAD:-0} OPTIONS=${OPTIONS:-"repeats: 12, prefill: 128, decode: 32"}
cat >"$TMP/self.yaml" <<Y
name: self
models:
  source-transformer: {generator: transformer, prompt: {random: 10, seed: model}, options: {speed: {decode: 2}}}
  source-chain: {generator: chain, prompt: {random: 20, seed: 123}}
  kjv-transformer: {file: $ROOT/data/models/kjv-transformer.safetensors, prompt: {corpus: $ROOT/data/corpus/kjv.heldout, count: 1, length: 32}}
variants: [fp32]
experiments:
  speed: {$OPTIONS}
Y
busy=()
for ((i = 0; i < LOAD; i++)); do
    while :; do :; done &
    busy+=($!)
done
[ ${#busy[@]} -eq 0 ] || trap 'kill "${busy[@]}" 2>/dev/null; rm -rf "$TMP"' EXIT
start=$(date +%s)
for ((i = 0; i < RUNS; i++)); do
    rm -f "$TMP/r.h5"
    "$QINSBENCH" run "$TMP/self.yaml" -o "$TMP/r.h5" -q || exit 1
    "$QINSBENCH" show "$TMP/r.h5" --output csv | grep -E ',(self_)?(decode|prefill)_overhead,'
done >"$TMP/rows.csv"
echo "# $RUNS runs, $LOAD busy processes beside them, speed: {$OPTIONS}, $(($(date +%s) - start)) s, $(nproc) processors"
# Columns of show: model, variant, experiment, metric, value, lo, hi, ...
awk -F, -v runs="$RUNS" '
    { key = $1 " " ($4 ~ /^self_/ ? "self" : "variant") " " ($4 ~ /decode/ ? "decode" : "prefill")
      value[key, ++n[key]] = $5; if ($6 <= 1 && $7 >= 1) holds[key]++ }
    function sort(k, m,  i, j, t) {
        for (i = 1; i <= m; i++) x[i] = value[k, i]
        for (i = 2; i <= m; i++) for (j = i; j > 1 && x[j-1] > x[j]; j--) { t = x[j]; x[j] = x[j-1]; x[j-1] = t }
    }
    # The least number of hits that a share of 0.95 falls short of in at most one of 1000 tests.
    function least(m,  k, p, sum) {
        p = 0.05 ^ m; sum = 0
        for (k = 0; k <= m; k++) { sum += p; if (sum > 0.001) return k; p *= (m - k) / (k + 1) * 19 }
        return m
    }
    END {
        printf "%-20s %-8s %-8s %8s %8s %8s  %s\n", "model", "over", "pass", "median", "least", "largest", "interval holds 1"
        for (key in n) order[++keys] = key
        for (i = 2; i <= keys; i++) for (j = i; j > 1 && order[j-1] > order[j]; j--) { t = order[j]; order[j] = order[j-1]; order[j-1] = t }
        for (i = 1; i <= keys; i++) {
            key = order[i]; m = n[key]; sort(key, m); split(key, part, " ")
            median = m % 2 ? x[(m+1)/2] : (x[m/2] + x[m/2+1]) / 2
            bad = holds[key] + 0 < least(m)
            wrong += bad
            printf "%-20s %-8s %-8s %8.4f %8.4f %8.4f  %d of %d%s\n", part[1], part[2], part[3], median, x[1], x[m], holds[key] + 0, m, bad ? "  <- not fair" : ""
        }
        print "wrong", wrong + 0 > "/dev/stderr"
    }' "$TMP/rows.csv" 2>"$TMP/wrong"
same "every FP32 over FP32 is 1" "$(cat "$TMP/wrong")" "wrong 0"
finish
