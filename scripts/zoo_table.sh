#!/bin/bash
# The zoo's table, as docs/zoo.md has it, from a result file of suite zoo (or any with kl, memory and roundtrip; where speed
# is in it, with encode and decode in GB/s of FP32, and decoded tokens a second, of FP32's in brackets):
#   scripts/zoo_table.sh MODEL zoo.h5 [MORE.h5...] >table.md
# A format is dominated where another one takes no more bits and has a smaller KL (or the same and fewer bits); the row
# names the two of these with the least KL. A difference in KL is not tested here: qinsbench compare does that.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 MODEL RESULT.h5..." >&2; exit 2; }
model=$1
shift
for file; do
    "${QINSBENCH:-build/qinsbench}" show "$file" --only "$model/*/*" --output csv
done | tr -d '\r' | awk -F, -v OFS='|' '
    $1 != "model" { value[$2, $3 "/" $4] = $5; lo[$2, $3 "/" $4] = $6; hi[$2, $3 "/" $4] = $7; if (!seen[$2]++) name[++n] = $2 }
    function two(x) { return x == "" ? "" : sprintf("%.2g", x) }
    function get(v, what) { return (v, what) in value ? value[v, what] : "" }
    END {
        for (i = 1; i <= n; i++) {
            bits[i] = get(name[i], "memory/encoded_bits_per_weight")
            if (bits[i] == "" || bits[i] + 0 == 0) bits[i] = get(name[i], "memory/weight_bits")
            kl[i] = get(name[i], "kl/kl_mean")
            if (get(name[i], "speed/decode_tok_s") != "") speed = 1
            order[i] = i
        }
        for (i = 2; i <= n; i++) # by bits, the most first, then by KL
            for (k = i; k > 1; k--) {
                a = order[k - 1]; b = order[k]
                if (bits[a] + 0 > bits[b] + 0 || (bits[a] + 0 == bits[b] + 0 && kl[a] + 0 <= kl[b] + 0)) break
                order[k - 1] = b; order[k] = a
            }
        print "| format | bits | SQNR, dB | mean KL, nat | top-1, % | flips, % |" (speed ? " encode | decode, GB/s | tok/s (of FP32) |" : "") " dominated by |"
        print "|---|--:|--:|---|--:|--:|" (speed ? "--:|--:|---|" : "") "---|"
        for (o = 1; o <= n; o++) {
            i = order[o]
            if (kl[i] == "") continue
            first = second = 0
            for (k = 1; k <= n; k++)
                if (kl[k] != "" && k != i && bits[k] + 0 <= bits[i] + 0 && kl[k] + 0 <= kl[i] + 0 &&
                    (kl[k] + 0 < kl[i] + 0 || bits[k] + 0 < bits[i] + 0)) {
                    if (!first || kl[k] + 0 < kl[first] + 0) { second = first; first = k }
                    else if (!second || kl[k] + 0 < kl[second] + 0) second = k
                }
            sqnr = get(name[i], "roundtrip/sqnr_db")
            printf "| %s | %.3f | %s | %.2g [%.2g, %.2g] | %.2f | %.2f |", name[i], bits[i],
                sqnr == "" ? "" : sqnr == "inf" ? "exact" : sprintf("%.2f", sqnr), kl[i], lo[name[i], "kl/kl_mean"],
                hi[name[i], "kl/kl_mean"], get(name[i], "kl/top1_agreement"), get(name[i], "kl/flips")
            if (speed)
                printf " %s | %s | %s |", two(get(name[i], "speed/weight_encode_gbs")), two(get(name[i], "speed/weight_decode_gbs")),
                    get(name[i], "speed/decode_tok_s") == "" ? "" : sprintf("%.0f (%.2f)", get(name[i], "speed/decode_tok_s"),
                        1 / get(name[i], "speed/decode_overhead"))
            printf " %s |\n", first ? name[first] (second ? ", " name[second] : "") : ""
        }
    }'
