#!/usr/bin/env python3
"""Tiny random models of every family, with the logits that transformers computes of them.

    python3 make_families.py families [CASE ...]

A folder a case: config.json and weights as transformers' save_pretrained writes them, model.gguf for some (the same
weights under the conversion rules of llama.cpp's converter, written by the gguf package), and golden.safetensors:
tokens [T] and logits [T, vocab] in float32, eager attention, one pass over the whole sequence. Weights are rounded to
the type they are stored in before anything is computed. Sequences are longer than windows and than the contexts that
scaled rotary positions start from; heads are grouped, matrices are not square, vocabularies are odd.
"""
import json
import os
import shutil
import sys

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Model
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

T = 40
SMALL = dict(vocab_size=59, hidden_size=24, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, pad_token_id=None, bos_token_id=1, eos_token_id=2)
GPT2 = dict(vocab_size=59, n_embd=24, n_layer=2, n_head=3, n_positions=48, n_inner=None, bos_token_id=1, eos_token_id=2)
LONG = dict(rope_type="longrope", rope_theta=10000.0, long_factor=[1.5, 4.0], short_factor=[1.0, 1.25])

# name: (model_type, options, type of the weights, GGUF twin)
CASES = {
    "llama": ("llama", dict(rms_norm_eps=1e-5), torch.float32, True),
    "llama-linear": ("llama", dict(rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0),
                                   head_dim=10, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
                     torch.float16, True),
    "llama-llama3": ("llama", dict(rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0,
                                                        low_freq_factor=1.0, high_freq_factor=4.0,
                                                        original_max_position_embeddings=16),
                                   head_dim=16, num_key_value_heads=1), torch.bfloat16, True),
    "llama-yarn": ("llama", dict(rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0,
                                                      original_max_position_embeddings=32),
                                 head_dim=16, num_key_value_heads=4), torch.bfloat16, True),
    "mistral": ("mistral", dict(sliding_window=8, head_dim=10), torch.bfloat16, False),
    "gpt2": ("gpt2", dict(), torch.float32, True),
    "gpt2-bare": ("gpt2", dict(), torch.float16, False),
    "phi3-short": ("phi3", dict(rope_parameters=dict(LONG, partial_rotary_factor=0.75), sliding_window=12,
                                original_max_position_embeddings=64, tie_word_embeddings=True),
                   torch.bfloat16, False),
    "phi3-long": ("phi3", dict(rope_parameters=dict(LONG, partial_rotary_factor=0.75), sliding_window=12,
                               original_max_position_embeddings=16), torch.bfloat16, True),
    "qwen2": ("qwen2", dict(num_hidden_layers=3, use_sliding_window=True, sliding_window=8, max_window_layers=1,
                            tie_word_embeddings=True), torch.bfloat16, False),
    "qwen2-full": ("qwen2", dict(), torch.bfloat16, True),
    "qwen3": ("qwen3", dict(head_dim=16), torch.bfloat16, True),
    "gemma2": ("gemma2", dict(num_hidden_layers=3, head_dim=16, sliding_window=8, query_pre_attn_scalar=16,
                              attn_logit_softcapping=4.0, final_logit_softcapping=6.0), torch.bfloat16, True),
    "gemma3": ("gemma3_text", dict(num_hidden_layers=4, head_dim=16, sliding_window=8, sliding_window_pattern=3,
                                   query_pre_attn_scalar=24,
                                   rope_parameters=dict(
                                       full_attention=dict(rope_type="linear", rope_theta=1000000.0, factor=8.0),
                                       sliding_attention=dict(rope_type="default", rope_theta=10000.0))),
               torch.bfloat16, False),
    "gemma3-six": ("gemma3_text", dict(num_hidden_layers=6, intermediate_size=20, head_dim=16, sliding_window=8,
                                       query_pre_attn_scalar=16, num_key_value_heads=1), torch.bfloat16, True),
    "gemma": ("gemma", dict(head_dim=10, num_key_value_heads=1), torch.bfloat16, True),
}


def make(name, seed):
    kind, options, dtype, _ = CASES[name]
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[kind](**{**(GPT2 if kind == "gpt2" else SMALL), **options})
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            norm = "norm" in key or ".ln_" in key
            if norm and key.endswith("weight"):
                p.copy_((0.0 if "gemma" in kind else 1.0) + 0.3 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (0.3 if p.dim() == 2 else 0.2))
            p.copy_(p.to(dtype).float())
    return model


def save(model, name, folder):
    dtype = CASES[name][2]
    shards = "16KB" if name == "qwen2" else "1GB"
    stored = model.transformer if name == "gpt2-bare" else model
    state = {k: v.to(dtype) for k, v in stored.state_dict().items()}
    stored.config.dtype = dtype
    stored.save_pretrained(folder, state_dict=state, max_shard_size=shards)
    for other in ("generation_config.json",):
        if os.path.exists(f"{folder}/{other}"):
            os.remove(f"{folder}/{other}")
    if name == "gpt2-bare":  # as the first files on the hub: masks among the weights
        state = load_file(f"{folder}/model.safetensors")
        for layer in range(2):
            state[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(4, 4)).view(1, 1, 4, 4).to(dtype)
            state[f"h.{layer}.attn.masked_bias"] = torch.tensor([-1e4]).to(dtype)
        save_file(state, f"{folder}/model.safetensors", {"format": "pt"})


def golden(model, name, folder, seed):
    rng = np.random.default_rng(seed)
    vocab = model.config.vocab_size
    tokens = torch.tensor(rng.integers(0, vocab, T))
    with torch.no_grad():
        logits = model(tokens[None], use_cache=False).logits[0]
    assert logits.dtype == torch.float32 and bool(torch.isfinite(logits).all())
    origin = f"transformers {transformers.__version__}, torch {torch.__version__}, eager attention, float32"
    save_file({"tokens": tokens.float(), "logits": logits.contiguous()}, f"{folder}/golden.safetensors",
              {"origin": origin})
    return logits


def permuted(weight, heads):
    """llama.cpp's conversion: of each head's rows, those of both halves in turns."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def llama3_factors(c):
    r, dim = c.rope_parameters, c.head_dim
    out = []
    for i in range(0, dim, 2):
        wave = 2 * np.pi * r["rope_theta"] ** (i / dim)
        old = r["original_max_position_embeddings"]
        smooth = (old / wave - r["low_freq_factor"]) / (r["high_freq_factor"] - r["low_freq_factor"])
        out.append(1.0 if wave < old / r["high_freq_factor"] else r["factor"] if wave > old / r["low_freq_factor"]
                   else 1.0 / ((1 - smooth) / r["factor"] + smooth))
    return np.array(out, dtype=np.float32)


def metadata(w, c, arch):
    old = arch == "gpt2"
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(4 * c.hidden_size if old else c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    if old:
        w.add_layer_norm_eps(c.layer_norm_epsilon)
        return
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    if getattr(c, "head_dim", None):
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
    rope = c.rope_parameters.get("full_attention", c.rope_parameters)
    w.add_rope_freq_base(rope["rope_theta"])
    w.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    if arch == "llama":
        w.add_vocab_size(c.vocab_size)
    if rope["rope_type"] in ("linear", "yarn"):
        w.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        w.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if arch in ("gemma2", "gemma3", "phi3"):
        w.add_sliding_window(c.sliding_window)
    if arch == "gemma2":
        w.add_attn_logit_softcapping(c.attn_logit_softcapping)
        w.add_final_logit_softcapping(c.final_logit_softcapping)
    if arch == "phi3":
        stretch, old_context = c.max_position_embeddings / rope["original_max_position_embeddings"], None
        old_context = rope["original_max_position_embeddings"]
        w.add_rope_scaling_orig_ctx_len(old_context)
        w.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(stretch) / np.log(old_context))))
        w.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], dtype=np.float32))
        w.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], dtype=np.float32))
    if rope["rope_type"] == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_factors(c))


def save_gguf(model, name, folder):
    kind, _, dtype, _ = CASES[name]
    c, arch = model.config, {"gemma3_text": "gemma3"}.get(kind, kind)
    number = {v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[arch]
    names = gguf.get_tensor_name_map(number, c.num_hidden_layers)
    w = gguf.GGUFWriter(f"{folder}/model.gguf", arch)
    metadata(w, c, arch)
    for key, value in model.state_dict().items():
        x = value.float()
        if key == "lm_head.weight" and c.tie_word_embeddings:
            continue
        if arch == "llama" and ("q_proj" in key or "k_proj" in key):
            x = permuted(x, c.num_attention_heads if "q_proj" in key else c.num_key_value_heads)
        if "gemma" in arch and key.endswith("norm.weight"):
            x = x + 1
        if arch == "gpt2" and key.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
            x = x.T
        half = x.dim() == 2 and dtype != torch.float32
        to = names.get_name(key, try_suffixes=(".weight", ".bias"))
        raw = x.contiguous().to(torch.float16).numpy() if half and dtype == torch.float16 else x.contiguous().numpy()
        if half and dtype == torch.bfloat16:
            raw = gguf.quants.quantize(raw, gguf.GGMLQuantizationType.BF16)
            w.add_tensor(to, raw, raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            w.add_tensor(to, raw)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main(out):
    for seed, name in enumerate(CASES):  # new cases go to the end: a seed is a place
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        folder = f"{out}/{name}"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        model = make(name, seed)
        save(model, name, folder)
        logits = golden(model, name, folder, 1000 + seed)
        if CASES[name][3]:
            save_gguf(model, name, folder)
        size = sum(os.path.getsize(f"{folder}/{f}") for f in os.listdir(folder))
        print(f"{name:14} {size:7} bytes, logits of std {float(logits.std()):.3f}")


if __name__ == "__main__":
    main(sys.argv[1])
