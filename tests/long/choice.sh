#!/bin/bash
# Every item of the shipped tasks on two models: as many answers are right, by each of the four rules, as a second implementation in
# float64 finds (tests/golden/choice.json). The two best scores of an item are never nearer than 1.5e-5 of their size: no rounding decides.
. "$(dirname "$0")/../cli/lib.sh"
"$QINSBENCH" run "$SUITES/choice.yaml" -q --only '*/fp32/*' --cache "$TMP/cache" -o "$TMP/r.h5" 2>"$TMP/log"
same "the suite runs" $? 0
"$QINSBENCH" show "$TMP/r.h5" --output csv | tr -d '\r' >"$TMP/shown"
while read -r model rule right items; do
    same "$model, $rule" "$(awk -F, -v m="$model" -v r="$rule" -v n="$items" '$1 == m && $4 == r { printf "%.6f", $5 * n / 100 }' "$TMP/shown")" "$right.000000"
done < <(python3 - "$ROOT/tests/golden/choice.json" <<'P'
import json, sys
golden = json.load(open(sys.argv[1]))
for model in ("kjv-transformer", "tiny-llama"):
    for rule in ("acc", "acc_norm", "acc_bytes", "acc_token"):
        tasks = [golden[model][task] for task in ("kjv", "tiny")]
        print(model, rule, sum(t["right"][rule] for t in tasks), sum(t["items"] for t in tasks))
P
)
same "all were compared" "$COUNT" 9
finish
