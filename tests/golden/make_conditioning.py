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
        cases.append(case)
    origin = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "gguf")}
    text = json.dumps({"origin": {"by": "make_conditioning.py", **origin}, "rows": ROWS, "seen": SEEN, "cases": cases})
    (pathlib.Path(__file__).resolve().parent / "conditioning.json").write_text(text + "\n")
    for case in cases:
        print(case["cols"], {k: (case[k]["alpha"], case[k]["errors"][:3]) for k in case if k.startswith("search")})


main()
