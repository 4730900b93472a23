#!/usr/bin/env python3
"""Metrics on small logits and tables. Writes metrics.json. KL is sum p (ln p - ln q) in mpmath at 50 digits, rounded to float64."""
import json
import math
import pathlib

import mpmath
import numpy
import scipy
from scipy import stats

HERE = pathlib.Path(__file__).resolve().parent
mpmath.mp.dps = 50


def kl(ref, var):
    a, b = [mpmath.mpf(float(x)) for x in ref], [mpmath.mpf(float(x)) for x in var]
    za, zb = sum(mpmath.exp(x) for x in a), sum(mpmath.exp(x) for x in b)
    return float(sum(mpmath.exp(x) / za * (x - mpmath.log(za) - y + mpmath.log(zb)) for x, y in zip(a, b)))


def nll(logits, target):
    a = [mpmath.mpf(float(x)) for x in logits]
    return float(mpmath.log(sum(mpmath.exp(x) for x in a)) - a[target])


def top(logits, k):
    """Ids in order of falling logit; equal logits in order of rising id."""
    return sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:k]


def logit_cases():
    rng = numpy.random.default_rng(5)
    f32 = lambda x: [float(v) for v in numpy.asarray(x, dtype=numpy.float32)]
    ref = f32(rng.normal(0, 3, 24))
    yield "near", ref, f32(numpy.array(ref) + rng.normal(0, 0.05, 24)), 3
    yield "far", ref, f32(rng.normal(0, 3, 24)), 7
    yield "identical", ref, ref, 0
    yield "shifted by a constant (KL 0 up to float32 rounding of the shift)", ref, f32(numpy.array(ref) + 4.0), 0
    flat = f32(rng.normal(0, 1.2e-5, 24))
    yield "nearly uniform, KL near 1e-13", flat, f32(numpy.array(flat) + rng.normal(0, 5e-7, 24)), 1
    yield "huge logits", f32([1e4, 0, -1e4] + [5.0] * 9), f32([0, 1e4, -1e4] + [5.0] * 9), 0
    yield "tie for the top, tie across rank 10", f32([2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]), f32([2, 1.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]), 11
    yield "ten tokens, no more", f32(range(10)), f32(range(10, 0, -1)), 9


def cluster_interval(clusters):
    """Mean over all values; std error from cluster totals (ratio estimator); t with clusters - 1 degrees of freedom."""
    k, n = len(clusters), sum(map(len, clusters))
    mean = math.fsum(v for c in clusters for v in c) / n
    residual = [math.fsum(c) - mean * len(c) for c in clusters]
    error = math.sqrt(k / (k - 1) * math.fsum(r * r for r in residual)) / n
    t = float(stats.t.ppf(0.975, k - 1))
    return {"clusters": clusters, "n": n, "mean": mean, "std_error": error, "t": t, "lo": mean - t * error, "hi": mean + t * error}


def main():
    logits = [{"name": name, "ref": ref, "var": var, "target": target, "kl_ref_var": kl(ref, var), "kl_var_ref": kl(var, ref),
               "nll_ref": nll(ref, target), "nll_var": nll(var, target), "top1_ref": top(ref, 1)[0], "top1_var": top(var, 1)[0],
               "top10_overlap_percent": 10.0 * len(set(top(ref, 10)) & set(top(var, 10)))} for name, ref, var, target in logit_cases()]
    nlls = [c["nll_ref"] for c in logits]
    rng = numpy.random.default_rng(6)
    tables = [[[1.0, 2.0, 3.0], [2.0, 2.0, 5.0], [0.0, 1.0, 1.0]], [[0.5], [0.7], [0.1], [0.9]], [[1.0, 2.0], [3.0], [2.0, 2.0, 2.5, 4.0]],
              [[0.25, 0.25], [0.25, 0.25]], [[round(float(v), 6) for v in rng.normal(loc, 0.1, 8)] for loc in rng.normal(1, 0.5, 6)]]
    wilson = []
    for hits, n in ((0, 10), (1, 10), (5, 10), (10, 10), (32, 500), (500, 500), (0, 1), (463, 500), (1, 1000000)):
        interval = stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
        wilson.append({"hits": hits, "n": n, "lo": float(interval.low), "hi": float(interval.high)})
    result = {"origin": f"tests/golden/make_metrics.py, mpmath {mpmath.__version__}, scipy {scipy.__version__}, numpy {numpy.__version__}",
              "ties": "equal logits rank by rising token id, in top-1 and at the edge of the top 10",
              "logits": logits,
              "perplexity": {"nll": nlls[:3], "value": math.exp(math.fsum(nlls[:3]) / 3)},
              "cluster_t_95": [cluster_interval(t) for t in tables],
              "cluster_t_95_note": "ratio estimator; with equal cluster sizes it equals the plain t interval of the cluster means",
              "equal_size_check": {"means": [2.0, 3.0, 2.0 / 3.0],
                                   "interval": [float(v) for v in stats.t.interval(0.95, 2, 17.0 / 9.0, stats.sem([2.0, 3.0, 2.0 / 3.0]))]},
              "wilson_95": wilson}
    (HERE / "metrics.json").write_text(json.dumps(result, indent=None).replace('{"name"', '\n{"name"').replace('{"hits"', '\n{"hits"') + "\n")


if __name__ == "__main__":
    main()
