#!/bin/bash
# Experiment choice: tasks of one's own, what is recorded of each item, and planted faults that the right metric sees: a swapped
# key of the answers, a prompt that tells the answer.
. "$(dirname "$0")/lib.sh"
Q=$QINSBENCH
cat >"$TMP/s.yaml" <<Y
name: mine
models:
  llama: {file: $ROOT/data/models/tiny-llama}
variants: [fp32, int8-tensor]
experiments:
  choice: {tasks: {kjv: {file: kjv.jsonl}}}
Y
awk 'NR % 8 == 0' "$ROOT/data/tasks/kjv.jsonl" | head -n 60 >"$TMP/kjv.jsonl"
run() { "$Q" run "$TMP/s.yaml" -q --only "llama/${2:-*}/*" --cache "$TMP/cache" -o "$TMP/$1.h5" 2>"$TMP/log"; }
value() { "$Q" show "$TMP/$1.h5" --output csv | tr -d '\r' | awk -F, -v v="$2" -v m="$3" '$2 == v && $4 == m { print $5 }'; }
flags() { "$Q" show "$TMP/$1.h5" --metric "$3" --output json | tr '{' '\n' | grep "\"$2\"" | sed 's/.*"flags": *\[\([^]]*\)\].*/\1/' | tr -d '"'; }

check "a task of one's own runs" run plain
same "its items are scored" "$(value plain fp32 items)" 60
same "FP32 takes FP32's choices" "$(value plain fp32 flips) $(value plain fp32 mcnemar_p) $(value plain fp32 max_sum_diff)" "0 1 0"
check "the table says what change would be seen" test -n "$(value plain int8-tensor mde)"
same "every choice is in the file" "$(h5ls "$TMP/plain.h5/cells/llama/int8-tensor/choice" | awk '$1 == "sum" || $1 == "choice_tokens" || $1 == "item_answer" { print $1, $3 }' | tr '\n' ' ')" \
    "choice_tokens {240} item_answer {60} sum {240} "
has "with the template" "$(h5dump -d /cells/llama/int8-tensor/choice/task_template "$TMP/plain.h5")" '{question}'

acc=$(value plain fp32 acc)
sed -i 's/"answer": 0/"answer": 9/; s/"answer": 3/"answer": 0/; s/"answer": 2/"answer": 3/; s/"answer": 1/"answer": 2/; s/"answer": 9/"answer": 1/' "$TMP/kjv.jsonl"
check "with a swapped key" run swapped fp32
same "accuracy is worse than guessing, and flagged" "$(flags swapped fp32 acc)" degenerate
awk 'NR % 8 == 0' "$ROOT/data/tasks/kjv.jsonl" | head -n 60 >"$TMP/kjv.jsonl"
awk -F'"' '{ match($0, /"answer": [0-3]/); sub(/"question": "/, "&" $(8 + 2 * substr($0, RSTART + 10, 1)) " "); print }' "$TMP/kjv.jsonl" >"$TMP/told"
mv "$TMP/told" "$TMP/kjv.jsonl"
check "with the answer in the prompt" run told fp32
has "that is seen" "$(flags told fp32 answer_in_prompt)" contaminated
check "and more is right ($(value told fp32 acc), not $acc)" awk "BEGIN { exit !($(value told fp32 acc) > $acc + 5) }"
has "not so without" "$(flags plain fp32 answer_in_prompt)" no-interval

printf '{"question": "q", "choices": ["x", "y"], "answer": 2}\n' >"$TMP/kjv.jsonl"
run bad fp32
has "an answer out of range is named by file and line" "$("$Q" show "$TMP/bad.h5" --output csv 2>&1; cat "$TMP/log")" "kjv.jsonl:1: the answer is choice C, of 2 choices"
finish
