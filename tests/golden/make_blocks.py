#!/usr/bin/env python3
"""Parts of a layer and tiny whole models by torch and transformers. Writes blocks.json and forward_options.json.

Needs torch and transformers (the versions stand in "origin"). Inputs and weights are numbers that the tests make in the
same way (numbers below), so that only results are stored. Everything runs in float32, attention eagerly."""
import json
import pathlib

import numpy
import torch
import transformers
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm, eager_attention_forward
from transformers.models.llama.modeling_llama import LlamaRMSNorm, LlamaRotaryEmbedding, apply_rotary_pos_emb
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

import make_attention

HERE = pathlib.Path(__file__).resolve().parent
torch.set_num_threads(1)


def numbers(seed, *shape):
    return torch.tensor(make_attention.numbers(seed, *shape))


def flat(x):
    return [float(f"{v:.9g}") for v in x.detach().reshape(-1).tolist()]


# ---- parts ----

def norms():
    x, w = numbers(1, 3, 20) * 8, numbers(2, 20)
    out = []
    for offset, cls in ((0, LlamaRMSNorm), (1, Gemma2RMSNorm)):
        for eps in (1e-6, 0.5):
            norm = cls(20, eps)
            norm.weight.data = w
            out.append({"offset": offset, "eps": eps, "y": flat(norm(x))})
    return out


def activations():
    x = numbers(3, 40) * 20
    return {"gelu_tanh": flat(torch.nn.functional.gelu(x, approximate="tanh")), "silu": flat(torch.nn.functional.silu(x)),
            "softcap_30": flat(30 * torch.tanh(x * 8 / 30))}


POSITIONS = [0, 1, 4095, 100000]
ROPES = {
    "plain": {"rope_type": "default", "rope_theta": 10000.0},
    "partial": {"rope_type": "default", "rope_theta": 500000.0, "partial_rotary_factor": 0.5},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 8.0},
    "llama3": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
    "yarn": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 2048},
    "yarn_given": {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 16.0, "beta_fast": 24.0, "beta_slow": 2.0,
                   "attention_factor": 1.25, "original_max_position_embeddings": 32768},
    "longrope": {"rope_type": "longrope", "rope_theta": 10000.0, "factor": 32.0,
                 "short_factor": [1.0, 1.125, 1.25, 1.5, 1.5, 1.75, 2.0, 2.25],
                 "long_factor": [1.0, 1.5, 3.0, 6.0, 12.0, 24.0, 40.0, 60.0], "original_max_position_embeddings": 4096},
}


def ropes():
    out = []
    for name, parameters in ROPES.items():
        config = transformers.LlamaConfig(hidden_size=64, num_attention_heads=4, head_dim=16,
                                          max_position_embeddings=131072, rope_parameters=dict(parameters))
        for beyond in (False, True) if name == "longrope" else (False,):
            rotary = (Phi3RotaryEmbedding if "partial_rotary_factor" in parameters else LlamaRotaryEmbedding)(config)
            positions = POSITIONS if name != "longrope" or beyond else [0, 1, 4095]
            x = numbers(4, 1, 2, len(positions), 16) * 4
            ids = torch.tensor([positions])
            if beyond:  # transformers looks at the largest position of the call
                assert ids.max() + 1 > parameters["original_max_position_embeddings"]
            cosine, sine = rotary(x, ids)
            half = cosine.shape[-1] // 2
            turned = apply_rotary_pos_emb(x, x, cosine, sine)[0] if half == 8 else None
            if turned is None:
                from transformers.models.phi3.modeling_phi3 import apply_rotary_pos_emb as partial
                turned = partial(x, x, cosine, sine)[0]
            pairs = x.clone()
            z = torch.view_as_complex(x[..., :2 * half].reshape(1, 2, -1, half, 2).contiguous())
            z = z * torch.complex(cosine, sine)[:, None, :, :half]
            pairs[..., :2 * half] = torch.view_as_real(z).reshape(1, 2, -1, 2 * half)
            out.append({"name": name, "rope": rope_options(parameters, 16), "beyond": beyond, "positions": positions,
                        "frequency": flat(rotary.inv_freq), "factor": rotary.attention_scaling,
                        "halves": flat(turned.transpose(1, 2)), "pairs": flat(pairs.transpose(1, 2))})
    return out


def rope_options(p, head_dim):
    names = {"factor": "factor", "low_freq_factor": "low_freq_factor", "high_freq_factor": "high_freq_factor",
             "original_max_position_embeddings": "original_context", "beta_fast": "beta_fast", "beta_slow": "beta_slow",
             "attention_factor": "attention_factor", "short_factor": "short_factor", "long_factor": "long_factor"}
    kinds = ["default", "linear", "llama3", "yarn", "longrope"]
    return {"dims": int(head_dim * p.get("partial_rotary_factor", 1)), "theta": p["rope_theta"],
            "scaling": kinds.index(p["rope_type"]), **{names[k]: v for k, v in p.items() if k in names}}


class Attention(torch.nn.Module):
    num_key_value_groups = 1


def attentions():
    out = []
    for case in ({"heads": 6, "kv_heads": 2, "dim": 8, "n": 40, "window": 7, "softcap": 3.0, "scale": 0.5},
                 {"heads": 4, "kv_heads": 4, "dim": 6, "n": 33, "window": 0, "softcap": 0.0, "scale": 0.0},
                 {"heads": 3, "kv_heads": 1, "dim": 10, "n": 50, "window": 1, "softcap": 20.0, "scale": 0.0}):
        h, k, d, n = case["heads"], case["kv_heads"], case["dim"], case["n"]
        q, key, v = (numbers(5 + i, 1, n, m, d).transpose(1, 2) * 4 for i, m in enumerate((h, k, k)))
        i, j = torch.arange(n)[:, None], torch.arange(n)[None]
        seen = (j <= i) & ((j > i - case["window"]) if case["window"] else (j <= i))
        mask = torch.zeros(n, n).masked_fill(~seen, torch.finfo(torch.float32).min)
        module = Attention()
        module.num_key_value_groups = h // k
        module.eval()
        y, _ = eager_attention_forward(module, q, key, v, mask, scaling=case["scale"] or d**-0.5,
                                       softcap=case["softcap"] or None)
        rows = [0, 1, n // 2, n - 1]
        out.append({**case, "rows": rows, "y": flat(y[0, rows])})
    return out


# ---- whole models ----

LLAMA = {"embed": "model.embed_tokens", "before_attention": "input_layernorm", "q": "self_attn.q_proj",
         "k": "self_attn.k_proj", "v": "self_attn.v_proj", "qkv": "self_attn.qkv_proj", "of_query": "self_attn.q_norm",
         "of_key": "self_attn.k_norm", "o": "self_attn.o_proj", "before_mlp": "post_attention_layernorm",
         "gate": "mlp.gate_proj", "up": "mlp.up_proj", "gate_up": "mlp.gate_up_proj", "down": "mlp.down_proj",
         "layer": "model.layers.{}.", "final": "model.norm", "head": "lm_head"}
GEMMA = {**LLAMA, "after_attention": "post_attention_layernorm", "before_mlp": "pre_feedforward_layernorm",
         "after_mlp": "post_feedforward_layernorm"}
GPT2 = {"embed": "transformer.wte", "position": "transformer.wpe", "layer": "transformer.h.{}.",
        "before_attention": "ln_1", "qkv": "attn.c_attn", "o": "attn.c_proj", "before_mlp": "ln_2", "up": "mlp.c_fc",
        "down": "mlp.c_proj", "final": "transformer.ln_f", "head": "lm_head"}
ORDER = ["before_attention", "q", "k", "v", "qkv", "of_query", "of_key", "o", "after_attention", "before_mlp", "gate",
         "up", "gate_up", "down", "after_mlp"]
NORMS = {"before_attention", "of_query", "of_key", "after_attention", "before_mlp", "after_mlp", "final"}


def fill(model, names, layers, plus_one):
    """Numbers for every tensor in the order of ORDER; returns [what, layer, rows, cols, bias?]."""
    state, tensors, seen = dict(model.named_parameters()), [], set()
    def put(what, layer, name):
        for suffix in ("weight", "bias"):
            parameter = state.get(f"{name}.{suffix}")
            if parameter is None or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            conv = names is GPT2 and what in ("qkv", "o", "up", "down") and suffix == "weight"
            shape = parameter.shape[::-1] if conv else parameter.shape
            x = numbers(100 + len(tensors), *shape)
            if suffix == "bias":
                x = x * 0.25
            elif what in NORMS:
                x = x * 0.5 + (0 if plus_one else 1)
            elif what != "embed":
                x = x * 0.75
            parameter.data = x.T.contiguous() if conv else x
            rows, cols = (1, shape[0]) if len(shape) == 1 else shape
            tensors.append([what, layer, rows, cols, suffix == "bias"])
    put("embed", -1, names["embed"])
    if "position" in names:
        put("position", -1, names["position"])
    for layer in range(layers):
        for what in ORDER:
            if what in names:
                put(what, layer, names["layer"].format(layer) + names[what])
    put("final", -1, names["final"])
    put("head", -1, names["head"])
    assert len(seen) == len(state), set(state)
    return tensors


BASE = {"vocab_size": 37, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
        "intermediate_size": 40, "attn_implementation": "eager", "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
FULL, SLIDING = "full_attention", "sliding_attention"


def models():
    t = transformers
    tied, apart = {"tie_word_embeddings": True}, {"tie_word_embeddings": False}
    yield "llama", LLAMA, t.LlamaForCausalLM(t.LlamaConfig(
        **BASE, **apart, head_dim=10, rope_parameters={**ROPES["llama3"], "original_max_position_embeddings": 16})), {}
    yield "yarn", LLAMA, t.LlamaForCausalLM(t.LlamaConfig(
        **BASE, **tied, head_dim=8, rope_parameters={**ROPES["yarn"], "original_max_position_embeddings": 16})), {}
    yield "mistral", LLAMA, t.MistralForCausalLM(t.MistralConfig(
        **BASE, **apart, head_dim=4, sliding_window=5, rope_parameters=ROPES["plain"])), {"window": 5, "windowed": [0, 1, 2]}
    yield "phi3", LLAMA, t.Phi3ForCausalLM(t.Phi3Config(
        **{**BASE, "hidden_size": 48}, **apart, sliding_window=9, max_position_embeddings=64, original_max_position_embeddings=16,
        partial_rotary_factor=0.5,
        rope_parameters={"rope_type": "longrope", "rope_theta": 10000.0, "factor": 4.0, "short_factor": [1.0, 1.5],
                         "long_factor": [2.0, 5.0], "original_max_position_embeddings": 16,
                         "partial_rotary_factor": 0.5})), {"window": 9, "windowed": [0, 1, 2]}
    yield "qwen2", LLAMA, t.Qwen2ForCausalLM(t.Qwen2Config(**BASE, **tied, rope_parameters=ROPES["plain"])), {}
    yield "qwen3", LLAMA, t.Qwen3ForCausalLM(t.Qwen3Config(
        **BASE, **apart, head_dim=8, rope_parameters={**ROPES["plain"], "rope_theta": 1000000.0})), {"qk_norm": True}
    yield "gemma2", GEMMA, t.Gemma2ForCausalLM(t.Gemma2Config(
        **BASE, **tied, head_dim=8, sliding_window=6, query_pre_attn_scalar=20, attn_logit_softcapping=2.0,
        final_logit_softcapping=5.0, layer_types=[SLIDING, FULL, SLIDING], rope_parameters=ROPES["plain"])), {
            "window": 6, "windowed": [0, 2], "attention_softcap": 2.0, "logit_softcap": 5.0}
    yield "gemma3", GEMMA, t.Gemma3ForCausalLM(t.Gemma3TextConfig(
        **BASE, **tied, head_dim=8, sliding_window=6, query_pre_attn_scalar=20, layer_types=[SLIDING, SLIDING, FULL],
        rope_parameters={FULL: {**ROPES["linear"], "rope_theta": 1000000.0}, SLIDING: ROPES["plain"]})), {
            "window": 6, "windowed": [0, 1], "qk_norm": True}
    yield "gpt2", GPT2, t.GPT2LMHeadModel(t.GPT2Config(
        vocab_size=37, n_embd=24, n_layer=3, n_head=4, n_positions=32, n_inner=40, attn_implementation="eager")), {}


def rope_pair(config, head_dim):
    p = config.rope_parameters
    full, sliding = (p[FULL], p[SLIDING]) if FULL in p else (p, p)
    return [rope_options(full, head_dim), rope_options(sliding, head_dim)]


def options_of(name, config, more):
    gemma, gpt2 = name.startswith("gemma"), name == "gpt2"
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    options = {"vocab": config.vocab_size, "hidden": config.hidden_size, "layers": config.num_hidden_layers,
               "heads": config.num_attention_heads, "head_dim": head_dim, "tied_head": config.tie_word_embeddings}
    if gpt2:
        return {**options, "kv_heads": 4, "context": config.n_positions, "norm": 1, "norm_eps": config.layer_norm_epsilon,
                "activation": 2, "rope": []}
    options |= {"kv_heads": config.num_key_value_heads, "gated": True, "norm": 2, "norm_eps": config.rms_norm_eps,
                "activation": 2 if gemma else 3, "rope": rope_pair(config, head_dim)}
    if gemma:
        options |= {"norm_after": True, "norm_plus_one": True, "embed_scale": float(numpy.float32(config.hidden_size**0.5)),
                    "attention_scale": config.query_pre_attn_scalar**-0.5}
    return {**options, **more}


def whole():
    out = []
    tokens = torch.tensor([[(7 * i * i + 3 * i + 5) % 37 for i in range(26)]])
    for name, names, model, more in models():
        model.eval()
        options = options_of(name, model.config, more)
        tensors = fill(model, names, options["layers"], options.get("norm_plus_one", False))
        with torch.no_grad():
            logits = model(tokens).logits[0]
        rows = [0, 8, 25]
        out.append({"name": name, "options": options, "tensors": tensors, "rows": rows, "logits": flat(logits[rows])})
    return {"tokens": tokens[0].tolist(), "models": out}


def write(name, content):
    origin = f"{pathlib.Path(__file__).name}, torch {torch.__version__}, transformers {transformers.__version__}"
    text = json.dumps({"origin": origin, **content}, separators=(",", ":")).replace('{"name"', '\n{"name"')
    (HERE / name).write_text(text + "\n")


write("blocks.json", {"norms": norms(), "activations": activations(), "ropes": ropes(), "attentions": attentions()})
write("forward_options.json", whole())
