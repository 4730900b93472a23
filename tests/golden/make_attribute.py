#!/usr/bin/env python3
"""Effects of a factorial. Writes attribute.json: a random table of KL a combination and position, in chunks of unequal
length, and from it every effect by definitions other than the program's: Shapley values as the mean over all orders of
switching the parts on, the Moebius transform by solving v(S) = sum of m(T) over T in S as a linear system."""
import itertools
import json
import math
import pathlib

import numpy

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["storage", "domain", "scale", "alpha", "fp16"]


def effects(parts, v):
    """parts: names; v: frozenset -> mean KL. Everything relative to v of the empty set."""
    k = len(parts)
    sets = [frozenset(c) for r in range(k + 1) for c in itertools.combinations(parts, r)]
    system = numpy.array([[1.0 if t <= s else 0.0 for t in sets] for s in sets])
    m = dict(zip(sets, numpy.linalg.solve(system, numpy.array([v[s] for s in sets]))))
    out = {"total_kl": v[frozenset(parts)] - v[frozenset()]}
    for p in parts:
        out[f"alone_{p}"] = m[frozenset([p])]
        marginal = 0.0
        for order in itertools.permutations(parts):
            before = frozenset(order[:order.index(p)])
            marginal += v[before | {p}] - v[before]
        out[f"shapley_{p}"] = marginal / math.factorial(k)
    for a, b in itertools.combinations(parts, 2):
        out[f"interaction_{a}_{b}"] = m[frozenset([a, b])]
    if k >= 3:
        out["interactions_higher"] = sum(m[s] for s in sets if len(s) >= 3)
    return out


def case(rng, parts, lengths):
    n, names = sum(lengths), []
    for mask in range(1 << len(parts)):
        chosen = [p for i, p in enumerate(parts) if mask >> i & 1]
        names.append("+".join(chosen) if chosen else "none")
    kl = rng.gamma(0.5, 0.2, (len(names), n))
    kl[0] = 0
    order = list(rng.permutation(len(names)))  # the rows' order is not what says which combination they are
    names, kl = [names[i] for i in order], kl[order]
    v = {frozenset() if s == "none" else frozenset(s.split("+")): float(row.mean()) for s, row in zip(names, kl)}
    return {"parts": parts, "combination": names, "kl": kl.tolist(),
            "chunk": [c for c, length in enumerate(lengths) for _ in range(length)], "expected": effects(parts, v)}


def main():
    rng = numpy.random.default_rng(11)
    cases = [case(rng, NAMES, [3, 2, 4, 3]), case(rng, ["domain", "scale", "alpha", "fp16"], [2, 2, 2]),
             case(rng, ["storage", "scale", "alpha"], [3, 3]), case(rng, ["domain", "fp16"], [2, 3]),
             case(rng, ["storage"], [2, 2])]
    text = json.dumps({"made_by": "make_attribute.py", "numpy": numpy.__version__, "cases": cases}, indent=1)
    (HERE / "attribute.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
