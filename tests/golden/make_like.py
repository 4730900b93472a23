#!/usr/bin/env python3
"""What weights drawn like tiny-llama's must look like: its matrices' statistics and how far a draw may be from them. Writes like.json.

    python3 make_like.py

For each row block of the shape of test_like.c: mean, standard deviation, kurtosis (m4 / m2^2), and the mean and spread of the rows' standard
deviations, of the trained matrix of the same role at the same relative depth; "se" is the standard deviation of each over 200 draws of the block's
size by NumPy's own generator, rows and then values with replacement. Norms: of the trained norm's values, likewise.
"""
import json
import pathlib

import numpy as np
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).resolve().parent
TRAINED = load_file(HERE.parents[1] / "data/models/tiny-llama/model.safetensors")
LAYERS, T = 11, 6
VOCAB, HIDDEN, INNER, KV = 400, 192, 320, 64
rng = np.random.default_rng(20240)


def statistics(x):
    x = x.astype(np.float64)
    d = x - x.mean()
    m2 = (d * d).mean()
    rows = x.std(axis=1)
    return [x.mean(), np.sqrt(m2), (d**4).mean() / m2**2, rows.mean(), rows.std()]


def draw(x, rows, cols):
    picked = x[rng.integers(0, x.shape[0], rows)]
    return np.take_along_axis(picked, rng.integers(0, x.shape[1], (rows, cols)), axis=1)


def case(x, rows, cols):
    x = x.reshape(1, -1) if x.ndim == 1 else x
    drawn = np.array([statistics(draw(x, rows, cols)) for _ in range(200)])
    if x.shape[0] == 1:  # a vector: one row
        return {"value": statistics(x)[:3], "se": drawn.std(axis=0)[:3].tolist()}
    # the rows' own spread is of finite rows: the drawn mean is what is expected, not the trained rows'
    return {"value": statistics(x)[:3] + drawn.mean(axis=0)[3:].tolist(), "se": drawn.std(axis=0).tolist()}


def layer(i, l):
    name = f"model.layers.{l}."
    blocks = {"attn.q": ("self_attn.q_proj", HIDDEN, HIDDEN), "attn.k": ("self_attn.k_proj", KV, HIDDEN), "attn.v": ("self_attn.v_proj", KV, HIDDEN),
              "attn.o": ("self_attn.o_proj", HIDDEN, HIDDEN), "mlp.gate": ("mlp.gate_proj", INNER, HIDDEN), "mlp.up": ("mlp.up_proj", INNER, HIDDEN),
              "mlp.down": ("mlp.down_proj", HIDDEN, INNER), "norm1": ("input_layernorm", 1, HIDDEN), "norm2": ("post_attention_layernorm", 1, HIDDEN)}
    return {"layer": i, **{role: case(TRAINED[name + word + ".weight"], rows, cols) for role, (word, rows, cols) in blocks.items()}}


def main():
    # the nearest layer at the same relative depth, halves up
    layers = [layer(i, int(np.floor(i * (T - 1) / (LAYERS - 1) + 0.5))) for i in range(LAYERS)]
    embed = TRAINED["model.embed_tokens.weight"]
    result = {"origin": f"make_like.py, NumPy {np.__version__}, of data/models/tiny-llama", "layers": layers,
              "embed": case(embed, VOCAB, HIDDEN), "head": case(embed, VOCAB, HIDDEN), "norm": case(TRAINED["model.norm.weight"], 1, HIDDEN)}

    def short(x):
        return float(f"{x:.6g}") if isinstance(x, float) else [short(y) for y in x] if isinstance(x, list) else \
            {k: short(v) for k, v in x.items()} if isinstance(x, dict) else x
    (HERE / "like.json").write_text(json.dumps(short(result)).replace('{"value"', '\n{"value"') + "\n")


if __name__ == "__main__":
    main()
