"""Agreement of two rows of logits when equal logits are ordered at random: tests/golden/agreement.json.

Second implementation of harness/metric/ranking.h, by enumeration instead of by formula: every way to break the ties of
one row (which of the equal entries come into the list, and which of the largest ones first) is listed and counted, both
rows independently, and the agreement is the plain mean over all pairs, in exact fractions.
"""
import itertools
import json
import pathlib
from fractions import Fraction

import numpy as np

TOP = 10


def lists(x, k):
    """Every set of k first entries of x, each as likely."""
    order = sorted(range(len(x)), key=lambda i: (-x[i], i))
    last = x[order[k - 1]]
    sure = [i for i in order if x[i] > last]
    tied = [i for i in range(len(x)) if x[i] == last]
    return [set(sure) | set(c) for c in itertools.combinations(tied, k - len(sure))]


def firsts(x):
    return [i for i in range(len(x)) if x[i] == max(x)]


def agreement(p, q):
    k = min(TOP, len(p), sum(np.exp(np.float64(v) - np.float64(max(p))) > 0 for v in p))
    a, b = lists(p, k), lists(q, k)
    top = Fraction(sum(len(s & t) for s in a for t in b), len(a) * len(b) * k)
    fa, fb = firsts(p), firsts(q)
    return float(Fraction(sum(i == j for i in fa for j in fb), len(fa) * len(fb))), float(top), k


def case(name, p, q):
    p, q = [float(np.float32(v)) for v in p], [float(np.float32(v)) for v in q]
    first, top, k = agreement(p, q)
    return {"name": name, "p": p, "q": q, "first": first, "top": top, "k": int(k)}


def main():
    r = np.random.default_rng(5)
    ramp = [float(20 - i) for i in range(14)]
    cases = [
        case("no ties", r.normal(size=14), r.normal(size=14)),
        case("a collapsed arm", ramp, [0.0] * 14),
        case("the largest shared by three", ramp, [20, 20, 20] + ramp[3:]),
        case("the largest shared by three, none of them right", ramp, [0, 30, 30, 30] + ramp[4:]),
        case("the last of the list shared", ramp, ramp[:8] + [3.0] * 6),
        case("a small vocabulary", r.normal(size=6), r.normal(size=6)),
        case("six tokens left by a mask", ramp[:6] + [-1e30] * 8, [v * 0.9 for v in ramp[:6]] + [-9e29] * 8),
        case("six left, the mask not in the variant", ramp[:6] + [-1e30] * 8, r.normal(size=14)),
        case("a mask of -FLT_MAX", ramp[:12] + [-3.4028235e38] * 2, ramp[1:12] + [3.0] + [-3.4028235e38] * 2),
    ]
    for i in range(20):  # few levels: ties everywhere; the reference's lie within its list, as the list has them all
        p = r.permutation(np.concatenate([r.integers(3, 6, size=10), r.integers(0, 3, size=3)]))
        cases.append(case(f"levels {i}", p, r.integers(0, 4, size=13)))
    out = pathlib.Path(__file__).with_name("agreement.json")
    out.write_text(json.dumps({"origin": "tests/golden/make_agreement.py", "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
