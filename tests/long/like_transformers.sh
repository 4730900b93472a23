#!/bin/bash
# Folders that make-model --like writes, in shapes of several families, are what transformers reads: its logits of them are ours. Needs torch
# and transformers.
. "$(dirname "$0")/../cli/lib.sh"
if ! python3 -c 'import torch, transformers, h5py' 2>"$TMP/log"; then
    echo "skipped: no torch, transformers, h5py"
    exit 0
fi
common='"vocab_size":300,"hidden_size":96,"num_hidden_layers":3,"num_attention_heads":4,"hidden_act":"silu","pad_token_id":null,"bos_token_id":null'
small="$common,"'"intermediate_size":160,"num_key_value_heads":2,"max_position_embeddings":256'
factors='"short_factor":[1,1.1,1.2,1.3,1.4,1.5,1.6,1.7,1.8,1.9,2,2.1],"long_factor":[1,1.5,2,3,4,5,6,7,8,10,11,12]'
declare -A shapes=(
    [phi3]='{"model_type":"phi3",'$small',"eos_token_id":260,"tie_word_embeddings":false,"sliding_window":20,"original_max_position_embeddings":64,"rope_scaling":{"type":"longrope",'$factors'}}'
    [phi3-long]='{"model_type":"phi3",'$small',"eos_token_id":260,"tie_word_embeddings":false,"original_max_position_embeddings":32,"rope_scaling":{"type":"longrope",'$factors'}}'
    [llama-biased]='{"model_type":"llama",'$small',"attention_bias":true,"mlp_bias":true,"tie_word_embeddings":true}'
    [qwen3]='{"model_type":"qwen3",'$small',"head_dim":32,"tie_word_embeddings":false}'
    [gemma2]='{"model_type":"gemma2",'$small',"head_dim":32,"hidden_activation":"gelu_pytorch_tanh","sliding_window":16,"query_pre_attn_scalar":32,"tie_word_embeddings":true}'
    [gpt2]='{"model_type":"gpt2","vocab_size":300,"n_embd":96,"n_layer":3,"n_head":4,"n_positions":256,"bos_token_id":null,"eos_token_id":260}'
)
cat >"$TMP/compare.py" <<'P'
import sys

import h5py
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, logits, ids = sys.argv[1:4]
model, loading = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
    assert not loading[what], f"{what}: {loading[what]}"
assert AutoTokenizer.from_pretrained(folder).decode(AutoTokenizer.from_pretrained(folder).encode("a wörd\n")) == "a wörd\n"
tokens = torch.tensor([[int(x) for x in open(ids).read().split()]])
with torch.no_grad():
    theirs = model(tokens).logits[0].numpy()
ours = np.asarray(h5py.File(logits)["logits"])
off = np.abs(ours - theirs).max() / np.abs(theirs).max()
assert theirs.std() > 1e-3 and off < float(sys.argv[4]), f"{off:.3g} of the largest logit off"
print(f"{off:.2g}")
P
for i in $(seq 0 49); do echo $((i * 37 % 256)); done >"$TMP/ids"
for family in "${!shapes[@]}"; do
    echo "${shapes[$family]}" >"$TMP/$family.json"
    trained=data/models/tiny-llama
    [ "$family" != gpt2 ] || trained=data/models/kjv-transformer.safetensors # the one with learned positions
    check "$family is made" "$QINSBENCH" make-model --like $trained --shape "$TMP/$family.json" --shard 1 -o "$TMP/$family"
    check "$family: logits" "$QINSBENCH" logits "$TMP/$family" --tokens "$TMP/ids" -o "$TMP/$family.h5"
    # the bound is that of tests/golden/test_families.c
    check "$family: transformers' are the same" python3 "$TMP/compare.py" "$TMP/$family" "$TMP/$family.h5" "$TMP/ids" 2e-5
done
# That the comparison can fail: another seed's weights.
"$QINSBENCH" make-model --like data/models/tiny-llama --shape "$TMP/phi3.json" --seed 7 -o "$TMP/other" 2>/dev/null
if python3 "$TMP/compare.py" "$TMP/other" "$TMP/phi3.h5" "$TMP/ids" 2e-5 2>"$TMP/log"; then fail "another model's logits pass"; else
    has "another model's logits do not pass" "$(tail -n 1 "$TMP/log")" "of the largest logit off"
fi
finish
