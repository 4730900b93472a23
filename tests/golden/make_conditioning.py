#!/usr/bin/env python3
"""Preconditioned products by NumPy in float64, with SciPy's Hadamard matrix, and AWQ's search with gguf-py's Q4_0. Writes
conditioning.json. Needs numpy, scipy and gguf (the versions stand in "origin").

Weights and inputs are numbers that the tests make in the same way (make_attention.numbers); input j is 1 + 6 (j mod 5)
times as large, and input 3 is always 0."""
import importlib.metadata
import json
import pathlib

import gguf
import numpy as np
import scipy.linalg

import make_attention

ROWS, SEEN = 12, 50


def matrix(cols):
    w = np.asarray(make_attention.numbers(21, ROWS, cols), np.float32)
    x = np.asarray(make_attention.numbers(22, SEEN, cols), np.float32) * (1 + 6 * (np.arange(cols) % 5)).astype(np.float32)
    x[:, 3] = 0
    return w, x


def rotation(cols):
    n = 1
    while cols % (2 * n) == 0:
        n *= 2
    return np.kron(np.eye(cols // n), scipy.linalg.hadamard(n) / np.sqrt(n))


def awq(x, alpha):
    mean = np.abs(x.astype(np.float64)).mean(axis=0)
    live = mean > 0
    s = np.maximum(mean ** alpha, 1e-4)
    s = s / np.sqrt(s[live].max() * s[live].min())
    return np.where(live, s, 1)


def smoothquant(w, x, alpha):
    most, weight = np.abs(x.astype(np.float64)).max(axis=0), np.abs(w.astype(np.float64)).max(axis=0)
    live = most > 0
    s = np.ones(x.shape[1])
    s[live] = np.maximum(most[live] ** alpha / np.maximum(weight[live], 1e-5) ** (1 - alpha), 1e-5)
    return s


def q4_0(w):
    kind = gguf.GGMLQuantizationType.Q4_0
    return gguf.quants.dequantize(gguf.quants.quantize(w.astype(np.float32), kind), kind).astype(np.float64)


def search(w, x, h):
    errors = []
    for step in range(20):
        s = awq(x, step / 20)
        back = q4_0(w * s @ h) @ h.T / s
        errors.append(float((((w - back) @ x.T) ** 2).sum()))
    order = np.argsort(errors)
    assert errors[order[1]] > errors[order[0]] * 1.001, "the least error is not clear"
    return order[0] / 20, errors


# GPTQ (Frantar et al., algorithm 1) by its formulas, each format's levels written out; what compensate.h adds to it: levels
# reach from the least to the greatest that a scope had, and of each the first to have it keeps its code.

def levels_q4_0(w):
    """Of rows [rows, 32]: value -> level."""
    top = np.take_along_axis(w, np.abs(w).argmax(axis=1)[:, None], 1)
    d = (top / np.float32(-8)).astype(np.float16).astype(np.float64)
    inverse = np.divide(1, d, where=d != 0, out=np.zeros_like(d))
    return lambda x: (np.clip(np.floor(x * inverse + 8.5), 0, 15) - 8) * d


def levels_int8(w, axis):
    scale = np.abs(w).max(axis=axis, keepdims=True) / 127
    return lambda x: np.clip(np.rint(x / scale), -127, 127) * scale


def gptq(w, x, group, levels, together):
    w, cols = w.astype(np.float64).copy(), w.shape[1]
    hessian = x.T @ x
    hessian[np.diag_indices(cols)] += 0.01 * hessian.diagonal().mean()
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    nearest = np.inf
    for start in range(0, cols, group):
        to_level = levels(w[:, start:start + group])
        came = to_level(w[:, start:start + group])
        least, most = (came.min(), came.max()) if together else (came.min(1), came.max(1))
        seen = {"least": np.zeros(len(w), bool), "most": np.zeros(len(w), bool)}
        for j in range(start, start + group):
            column = came[:, j - start]
            value = to_level(np.clip(w[:, j], least, most)[:, None])[:, 0]
            keep = (column == least) & ~seen["least"] | (column == most) & ~seen["most"]
            seen["least"] |= column == least
            seen["most"] |= column == most
            value = np.where(keep, column, value)
            w[:, j + 1:] -= np.outer((w[:, j] - value) / upper[j, j], upper[j, j + 1:])
            w[:, j] = value
    return w


def compensated(w, x):
    out = {"q4_0": gptq(w, x, 32, levels_q4_0, False),
           "int8_row": gptq(w, x, w.shape[1], lambda a: levels_int8(a, 1), False),
           "int8_tensor": gptq(w, x, w.shape[1], lambda a: levels_int8(a, None), True)}
    plain = {"q4_0": q4_0(w), "int8_row": levels_int8(w, 1)(w), "int8_tensor": levels_int8(w, None)(w)}
    for name in out:
        cost = [float((((w - a) @ x.T) ** 2).sum()) for a in (plain[name], out[name])]
        print(name, cost)
        assert cost[1] < cost[0]
    return {name: flat(value) for name, value in out.items()}


def flat(x):
    return [float(f"{v:.12g}") for v in np.asarray(x).reshape(-1)]


def main():
    cases = []
    for cols in (24, 40, 64, 7):
        w, x = matrix(cols)
        h = rotation(cols)
        case = {"cols": cols, "y": flat(x.astype(np.float64) @ w.T.astype(np.float64)), "weights": flat(w @ h), "inputs": flat(x @ h),
                "awq": flat(awq(x, 0.5)), "smoothquant": flat(smoothquant(w, x, 0.5)), "smoothquant_0.8": flat(smoothquant(w, x, 0.8))}
        if cols % 32 == 0:
            for name, by in (("search", np.eye(cols)), ("search_rotated", h)):
                alpha, errors = search(w.astype(np.float64), x.astype(np.float64), by)
                case[name] = {"alpha": alpha, "errors": flat(errors), "s": flat(awq(x, alpha))}
            case["compensated"] = compensated(w.astype(np.float64), x.astype(np.float64))
        cases.append(case)
    origin = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "gguf")}
    text = json.dumps({"origin": {"by": "make_conditioning.py", **origin}, "rows": ROWS, "seen": SEEN, "cases": cases})
    (pathlib.Path(__file__).resolve().parent / "conditioning.json").write_text(text + "\n")
    for case in cases:
        print(case["cols"], {k: (case[k]["alpha"], case[k]["errors"][:3]) for k in case if k.startswith("search")})


main()
