#!/bin/bash
# A second implementation makes every number of a result file anew from its arrays, and sees planted faults. Needs Debian's
# python3-h5py and python3-scipy, which scripts/setup.sh does not install.
. "$(dirname "$0")/../cli/lib.sh"
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
if ! python3 -c 'import h5py, scipy' 2>"$TMP/log"; then
    echo "skipped: no python3-h5py, python3-scipy"
    exit 0
fi
check "the planted codec builds" build_planted
python3 - "$ROOT/data/tasks/kjv.jsonl" >"$TMP/told.jsonl" <<'P' # prompts that tell the answer
import json, sys
for line in list(open(sys.argv[1]))[:40]:
    item = json.loads(line)
    print(json.dumps(item | {"question": f"{item['choices'][item['answer']]} {item['question']}"}))
P
for _ in $(seq 2000); do printf 'the dog '; done >"$TMP/words.txt"
cat >"$TMP/wide.yaml" <<Y
name: wide
models:
  tiny: {generator: chain, vocab: 64, hidden: 16, layers: 2, seed: 42, prompt: {random: 8, seed: 123}, corpus: {greedy: 20}}
  words:
    generator: transformer
    vocab: 7
    hidden: 32
    layers: 1
    prompt: {random: 5, seed: 3}
    corpus: {greedy: 30}
    calibration: {random: 50, length: 20, seed: 1}
  kjv:
    file: $ROOT/data/models/kjv-transformer.safetensors
    prompt: {corpus: $ROOT/data/corpus/kjv.heldout, count: 7, length: 16}
    corpus: $ROOT/data/corpus/kjv.heldout
    calibration: {corpus: $ROOT/data/corpus/kjv.heldout, contexts: 50, length: 20} # of the evaluated text: contaminated
  llama: # keys and values are kept of none of the others
    file: $ROOT/data/models/tiny-llama
    corpus: $ROOT/data/corpus/tiny.heldout
    calibration: {random: 5, length: 8, seed: 1}
    experiments: [kv, speed, memory]
    variants: [fp32, fp32-reordered, kv-q8_0]
  # Two words in turn: what it recalls of four tokens drawn from them, it recalls by chance, and that is enough here.
  two-words:
    file: $ROOT/data/models/tiny-llama
    corpus: {file: words.txt, context: 500, chunks: 6}
    experiments: [recall]
    variants: [fp32, fp32-reordered, bf16, small]
variants:
  - fp32
  - fp32-reordered
  - bf16
  - pattern-a
  - int8-tensor
  - calibrated
  - calibrated-stored
  - {name: again, arithmetic: reversed}
  - {name: exact, codec: planted, placement: ["mlp.*"]}
  - {name: crash, codec: planted, options: {fault: crash}, placement: ["mlp.*"]}
  - {name: queries, codec: qins8, placement: [attn.q]}
  - kv-q8_0
  - {name: small, kv: {keys: q4_0, values: q4_0, block: 1}}
experiments:
  roundtrip: {rows: 32, cols: 64}
  predict: {positions: 40}
  linearity: {trials: 20, length: 256}
  depth: {positions: 10}
  greedy: {steps: 60}
  teacher-forced: {context: 64, chunks: 6}
  kl: {context: 64, chunks: 6}
  kv: {context: 64, chunks: 6, step: 20}
  recall: {passage: 4, repeats: 4}
  choice:
    tasks:
      kjv: {file: $ROOT/data/tasks/kjv.jsonl, items: 120}
      told: {file: told.jsonl, template: "{choices}\n{question}", answers: text}
  attribute: {order_chunks: 0, context: 64, chunks: 2}
  memory: {steps: 64, every: 8, budget: 96MiB, batch_context: 40}
  speed: {repeats: 6, prefill: 16, decode: 4, depth: 2k}
limits: {seconds: 300}
Y
"$QINSBENCH" run "$TMP/wide.yaml" --codec "$TMP/planted.so" -o "$TMP/r.h5" -q 2>"$TMP/log"
same "a suite with failed and skipped cells runs: exit 3" $? 3
recompute() { python3 "$ROOT/scripts/recompute.py" "$@"; }
said=$(recompute "$TMP/r.h5" --self-test)
same "every number comes out again, and no planted fault goes unseen: exit 0" $? 0
printf '%s\n' "$said" | sed '1,/^abs/d' | sed 's/^/# /'
for flag in degenerate failed skipped no-interval unresolved contaminated; do
    same "the flag $flag was there to check" "$(printf '%s\n' "$said" | grep -c "^flags:.* [1-9][0-9]* $flag")" 1
done
said=$(recompute "$TMP/r.h5" --plant perplexity)
same "a value changed by 1e-9 is red: exit 1" $? 1
has "and named" "$said" "perplexity: value"
recompute "$TMP/r.h5" --plant perplexty 2>"$TMP/log"
same "a metric that is none: exit 2" $? 2
recompute "$TMP/wide.yaml" 2>"$TMP/log"
same "no result file: exit 2" $? 2
finish
