#!/usr/bin/env python3
"""Logits of a llama GGUF: qinsbench's beside transformers' LlamaForCausalLM in float32 and float64 and llama.cpp's in F32, all of the dequantised weights.
Needs pip's torch, transformers, gguf, h5py, numpy and llama-cpp-python. docs/kl.md keeps a result.

usage: logits.py MODEL.gguf TEXT [TOKENS] [build/qinsbench]"""
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import h5py
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import llama_cpp_kl

NAMES = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
         "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def halves(w, heads):
    """GGUF has a head's rotated rows as pairs side by side; transformers has first all first ones of the pairs, then all second ones."""
    return w.reshape(heads, -1, 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def load(path):
    reader = gguf.GGUFReader(path)
    key = lambda name: reader.fields[f"llama.{name}"].contents()  # noqa: E731
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32, copy=True) for t in reader.tensors}
    heads = {"attn_q": key("attention.head_count"), "attn_k": key("attention.head_count_kv")}
    config = LlamaConfig(vocab_size=len(tensors["token_embd.weight"]), hidden_size=key("embedding_length"), intermediate_size=key("feed_forward_length"),
                         num_hidden_layers=key("block_count"), num_attention_heads=heads["attn_q"], num_key_value_heads=heads["attn_k"],
                         rms_norm_eps=key("attention.layer_norm_rms_epsilon"), max_position_embeddings=key("context_length"), attn_implementation="eager",
                         rope_parameters={"rope_type": "default", "rope_theta": key("rope.freq_base")}, tie_word_embeddings=False)
    state = {"model.embed_tokens.weight": tensors["token_embd.weight"], "model.norm.weight": tensors["output_norm.weight"],
             "lm_head.weight": tensors.get("output.weight", tensors["token_embd.weight"])}
    for i, (ours, theirs) in itertools.product(range(config.num_hidden_layers), NAMES.items()):
        w = tensors[f"blk.{i}.{ours}.weight"]
        state[f"model.layers.{i}.{theirs}.weight"] = halves(w, heads[ours]) if ours in heads else w
    model = LlamaForCausalLM(config).eval()
    model.load_state_dict({name: torch.from_numpy(w) for name, w in state.items()}, strict=True)
    return model


def of_transformers(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].double().numpy()


def of_llama_cpp(path, ids, folder):
    llama = llama_cpp_kl.quiet_llama()
    llama_cpp_kl.dequantise(path, folder / "f32.gguf")
    model, context = llama_cpp_kl.open_llama(llama, {"model": str(folder / "f32.gguf"), "context": max(256, len(ids)), "threads": 1})
    rows = llama_cpp_kl.evaluate(llama, context, llama.llama_batch_init(len(ids), 0, 1), ids, range(len(ids)))
    vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    return np.ctypeslib.as_array(llama.llama_get_logits(context), shape=(rows, vocab)).astype(np.float64)


def main():
    path, text, count, program = (sys.argv[1:] + ["64", "build/qinsbench"][len(sys.argv) - 3:])[:4]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tokenize = subprocess.run([program, "tokenize", path, "--file", text, "--output", "json"], capture_output=True, check=True, text=True)
        ids = json.loads(tokenize.stdout)["ids"][:int(count)]
        (folder / "ids").write_text(" ".join(map(str, ids)))
        subprocess.run([program, "logits", path, "--tokens", str(folder / "ids"), "-o", str(folder / "logits.h5")], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        with h5py.File(folder / "logits.h5") as file:
            logits = {"qinsbench": file["logits"][:].astype(np.float64)}
        model = load(path)
        logits |= {"transformers float32": of_transformers(model, ids), "transformers float64": of_transformers(model.double(), ids),
                   "llama.cpp F32": of_llama_cpp(path, ids, folder)}
    largest = np.abs(logits["transformers float64"]).max()
    print(f"{len(ids)} tokens, largest |logit| {largest:.2f}; largest |difference| / largest |logit|:")
    for a, b in itertools.combinations(logits, 2):
        print(f"{a:22} {b:22} {np.abs(logits[a] - logits[b]).max() / largest:.2e}")


if __name__ == "__main__":
    main()
