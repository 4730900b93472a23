#!/usr/bin/env python3
"""Tokens chosen by numpy, straight from the definitions in harness/model/sampling.h. Writes sampling.json."""
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def choose(logits, temperature, top_k, top_p, min_p, uniform):
    order = np.lexsort((np.arange(len(logits)), -logits.astype(np.float64)))
    order = order[np.isfinite(logits[order])]
    if temperature == 0:
        return int(order[0])
    if top_k:
        order = order[:top_k]
    x = logits[order].astype(np.float64) / temperature
    p = np.exp(x - x.max())
    p /= p.sum()
    keep = np.concatenate([[0], np.cumsum(p)[:-1]]) < top_p
    order, p = order[keep], p[keep] / p[keep].sum()
    keep = p >= min_p * p.max()
    order, p = order[keep], p[keep] / p[keep].sum()
    return int(order[min(np.searchsorted(np.cumsum(p), uniform, side="right"), len(order) - 1)])


def main():
    rng = np.random.default_rng(7)
    cases = []
    for i in range(120):
        n = int(rng.integers(2, 60))
        logits = np.round(rng.normal(0, 3, n), 1 if i % 3 else 3).astype(np.float32)  # rounded: equal logits
        if i % 5 == 0:
            logits[rng.integers(0, n, 3)] = -np.inf
        if not np.isfinite(logits).any():
            continue
        setting = dict(temperature=float(rng.choice([0, 0.3, 0.8, 1, 2])), top_k=int(rng.choice([0, 1, 3, 10, 100])), top_p=float(rng.choice([0.1, 0.5, 0.9, 1])),
                       min_p=float(rng.choice([0, 0.05, 0.3])))
        draws = [0.0] + [float(u) for u in np.round(rng.random(6), 6)] + [0.999999]
        cases.append({"logits": [None if np.isinf(v) else float(v) for v in logits], **setting, "uniform": draws, "ids": [choose(logits, *setting.values(), u) for u in draws]})
    (HERE / "sampling.json").write_text(json.dumps({"origin": f"tests/golden/make_sampling.py, numpy {np.__version__}", "cases": cases}).replace('{"logits"', '\n{"logits"') + "\n")


if __name__ == "__main__":
    main()
