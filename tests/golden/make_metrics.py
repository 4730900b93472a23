#!/usr/bin/env python3
"""Metrics on small logits and tables. Writes metrics.json. KL is sum p (ln p - ln q) in mpmath at 50 digits, rounded to float64."""
import json
import math
import pathlib
import warnings

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


BUCKETS = {"kl_p_under_25": (0, 0.25), "kl_p_25_50": (0.25, 0.5), "kl_p_50_75": (0.5, 0.75), "kl_p_75_90": (0.75, 0.9), "kl_p_over_90": (0.9, 2)}


def teacher_forced():
    """Twelve chunks of 32 positions; the last position of a chunk has no target."""
    rng = numpy.random.default_rng(7)
    chunks, size = 12, 32
    n = chunks * size
    kl = numpy.exp(numpy.repeat(rng.normal(-6, 0.5, chunks), size) + rng.normal(0, 1.6, n))
    top_p = rng.beta(1.2, 0.8, n).astype(numpy.float32)
    top_p[:4] = [0.25, 0.5, 0.75, 0.9]
    top_p = top_p.astype(numpy.float64)  # edges belong to the upper bucket; 0.9 as float32 lies under the edge
    target = rng.integers(0, 4, n)
    reference = numpy.where(rng.random(n) < 0.6, target, rng.integers(0, 4, n))
    ours = numpy.where(rng.random(n) < 0.85, reference, rng.integers(0, 4, n))
    target[size - 1::size] = -1
    right, reference_right, there = ours == target, reference == target, target >= 0
    worst, tail = numpy.sort(kl)[::-1], 0.05 * n
    whole = int(tail)
    expected = {name: [float(kl[(top_p >= low) & (top_p < high)].mean()), int(((top_p >= low) & (top_p < high)).sum())]
                for name, (low, high) in BUCKETS.items()}
    expected["kl_cvar95"] = [float((worst[:whole].sum() + (tail - whole) * worst[whole]) / tail), n]
    expected["kl_p99"], expected["kl_median"] = [float(numpy.quantile(kl, 0.99)), n], [float(numpy.median(kl)), n]
    kept = int(there.sum())
    share = lambda hits: [100.0 * float((hits & there).sum()) / kept, kept]
    to_wrong, to_right = reference_right & ~right, ~reference_right & right
    expected["accuracy"], expected["reference_accuracy"] = share(right), share(reference_right)
    expected["flips"], expected["flips_to_wrong"], expected["flips_to_right"] = share(right != reference_right), share(to_wrong), share(to_right)
    b, c = int((to_wrong & there).sum()), int((to_right & there).sum())
    return {"chunks": chunks, "size": size, "kl": kl.tolist(), "reference_top_p": [float(p) for p in top_p], "target": target.tolist(),
            "top_token": ours.tolist(), "reference_top_token": reference.tolist(), "expected": expected,
            "mcnemar": {"to_wrong": b, "to_right": c, "p": float(stats.binomtest(b, b + c, 0.5).pvalue)}}


def crossing(quantiles, heights):
    """The first time at which a step function is at most 1/2; the estimator multiplies rounded ratios."""
    at = [float(t) for t, h in zip(quantiles, heights) if h <= 0.5 + 1e-12]
    return at[0] if at else None


def divergence(agree, steps):
    """scipy's Kaplan-Meier estimator and its log-log interval; Brookmeyer and Crowley's interval of the median."""
    agree = numpy.array(agree)
    # At S = 0 scipy has no interval, and its bound there is taken for 0.
    curve = stats.ecdf(stats.CensoredData.right_censored(agree, agree == steps)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interval = curve.confidence_interval(0.95, method="log-log")
    bound = lambda side: numpy.where(curve.probabilities <= 0, 0, numpy.where(numpy.isnan(side.probabilities), 1, side.probabilities))
    return {"agree": agree.tolist(), "steps": steps, "median": crossing(curve.quantiles, curve.probabilities),
            "lo": crossing(curve.quantiles, bound(interval.low)), "hi": crossing(curve.quantiles, bound(interval.high)),
            "mean": float(agree.mean()), "survival": {str(k): 100.0 * float((agree >= k).mean()) for k in (25, 50, 100)},
            "diverged_share": 100.0 * float((agree < steps).mean())}


def divergences():
    rng = numpy.random.default_rng(8)
    yield divergence(numpy.minimum(rng.geometric(0.02, 24), 120), 120)
    yield divergence(numpy.minimum(rng.geometric(0.006, 24), 120), 120)
    yield divergence(rng.integers(0, 60, 9), 120)
    yield divergence([5, 5, 5, 120, 120], 120)
    yield divergence([120, 120, 120], 120)
    yield divergence([25, 50, 100, 24, 49, 99], 110)


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
              "wilson_95": wilson,
              "teacher_forced": teacher_forced(),
              "divergence": list(divergences())}
    (HERE / "metrics.json").write_text(json.dumps(result, indent=None).replace('{"name"', '\n{"name"').replace('{"hits"', '\n{"hits"').replace('{"agree"', '\n{"agree"') + "\n")


if __name__ == "__main__":
    main()
