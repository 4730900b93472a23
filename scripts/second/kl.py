"""Metrics of kl: those of teacher-forced on the scored positions, exact counterparts of llama.cpp's block, and that block by its own
formulas, in its types (float32 products, float64 sums in the order of positions)."""
import dataclasses
import math

import numpy as np
from second import statistics as st
from second.registry import METRICS, entry
from second.text import kl_or_identical, possible, uniform_void

for (experiment, name), known in list(METRICS.items()):
    if experiment == "teacher-forced":
        METRICS["kl", name] = known

largest_difference = METRICS["kl", "max_logit_diff"].compute
METRICS["kl", "max_logit_diff"] = dataclasses.replace(METRICS["kl", "max_logit_diff"],
                                                      compute=lambda c: None if c.get("base_file", 0) else largest_difference(c))

QUANTILES = {"p99_9": 0.999, "p99": 0.99, "p95": 0.95, "p90": 0.9, "p75": 0.75, "median": 0.5, "p25": 0.25, "p10": 0.1, "p5": 0.05, "p1": 0.01,
             "p0_1": 0.001}

# ---- exact ----


def paired(function):
    """Of the positions whose target the reference gives a probability; None where there is none."""
    def compute(c):
        kept = possible(c)
        return function(c["nll"][kept], c["reference_nll"][kept], c["chunk"][kept]) if kept.any() else None

    return compute


def linear_part(value, x, ids, identity, scale):
    """A smooth function of means, with the interval of the mean of its linear part, entry by entry, about it."""
    if not math.isfinite(value):
        return None
    out = st.mean(x, ids)
    if value == identity and not np.any(st.totals(x, ids)):
        return st.Estimate(value, identity, identity, len(x), "identity", scale)
    by = value - out.value
    out.value, out.lo, out.hi, out.scale = value, out.lo + by, out.hi + by, scale
    return out


def average(x):
    return math.fsum(x) / len(x)


def perplexity_difference(nll, base, ids):
    a, b = math.exp(average(nll)), math.exp(average(base))
    return linear_part(a - b, a * nll - b * base, ids, 0.0, max(a, b))


def likelihood_correlation(nll, base, ids):
    x, y = nll - average(nll), base - average(base)
    xx, yy, xy = math.fsum(x * x), math.fsum(y * y), math.fsum(x * y)
    if xx * yy == 0:
        return None
    r = xy / math.sqrt(xx * yy)
    x, y = x / math.sqrt(xx / len(x)), y / math.sqrt(yy / len(y))
    out = linear_part(100 * r, 100 * (x * y - r * (x * x + y * y) / 2), ids, 100.0, 100.0)
    out.lo, out.hi = max(out.lo, -100.0), min(out.hi, 100.0)
    return out


def log_perplexity_ratio(nll, base, ids):
    return st.mean(nll - base, ids, identity=0.0, scale=average(base))


def dp(c):
    with np.errstate(under="ignore"):
        return 100 * (np.exp(-c["nll"]) - np.exp(-c["reference_nll"]))


def dp_rms(c):
    out = st.mean(dp(c) ** 2, c["chunk"], least=0.0, identity=0.0)
    out.value, out.lo, out.hi = (math.sqrt(x) for x in (out.value, out.lo, out.hi))
    return out


def spread_of(x, p):
    """Quantile p of x(c): an end has no interval, and of nothing but zeros it is 0."""
    def compute(c):
        values = x(c)
        if not values.any():
            return st.Estimate(0.0, 0.0, 0.0, len(values), "identity")
        if p in (0, 1):
            return st.exact(values.max() if p else values.min(), len(values))
        return st.quantile(values, c["chunk"], p)

    return compute


def scaled(function):
    """Rounding is relative to the two probabilities, of which the difference is taken; exp of two libraries differs in its last digit."""
    def compute(c):
        out = function(c)
        out.scale = 100.0
        return out

    return compute


def exact(name, function, identity=0, **facts):
    entry("kl", name, function, identity=identity, degenerate=uniform_void, **facts)


for word in ("p99_9", "p95", "p90", "p10", "p5", "p1", "p0_1"):
    exact("kl_" + word, kl_or_identical(spread_of(lambda c: c["kl"], QUANTILES[word])))
exact("kl_min", spread_of(lambda c: c["kl"], 0))
for word, p in {**QUANTILES, "max": 1, "min": 0}.items():
    exact("dp_" + word, scaled(spread_of(dp, p)), identity=None)
exact("dp_mean", scaled(lambda c: st.mean(dp(c), c["chunk"], identity=0.0)))
exact("dp_rms", scaled(dp_rms))
exact("perplexity_difference", paired(perplexity_difference))
exact("log_perplexity_ratio", paired(log_perplexity_ratio))
exact("likelihood_correlation", paired(likelihood_correlation), identity=100)

# ---- llama.cpp's ----


def in_order(x):
    """The sum of float64 terms one after the other."""
    return float(np.add.accumulate(x.astype(np.float64))[-1])


def mean_se(total, squares, n):
    mean = total / n
    variance = squares / n - mean * mean
    return mean, math.sqrt(variance / (n - 1)) if variance > 0 and n > 10 else 0.0


def root(x):
    return math.sqrt(x) if x >= 0 else math.nan


def quotient(a, b):
    return a / b if b else math.nan


def block(c):
    """name -> (value, +-)."""
    q, b, kld, d = c["llama_nll"], c["llama_nll_base"], c["llama_kld"], c["llama_dp"]
    n = len(q)
    ln_q, se_q = mean_se(in_order(q), in_order(q * q), n)
    ln_b, se_b = mean_se(in_order(b), in_order(b * b), n)
    cov = (in_order(q * b) / n - in_order(q) / n * (in_order(b) / n)) / (n - 1) if n >= 10 else 0.0
    ppl_q, ppl_b = math.exp(ln_q), math.exp(ln_b)
    ratio, ratio_se = ln_q - ln_b, root(se_q * se_q + se_b * se_b - 2 * cov)
    a, e, both = ppl_q * se_q, ppl_b * se_b, ppl_q * ppl_b * cov
    square = (d * d).astype(np.float64)
    mean_square, square_se = mean_se(in_order(square), in_order(square * square), n)
    dp_mean, dp_se = mean_se(in_order(d), in_order(square), n)
    same = int(c["llama_same_top"].sum()) / n
    return {
        "ppl": (ppl_q, a),
        "ppl_base": (ppl_b, e),
        "ppl_correlation": (100 * quotient(cov, se_q * se_b), None),
        "ln_ppl_ratio": (ratio, ratio_se),
        "ppl_ratio": (math.exp(ratio), math.exp(ratio) * ratio_se),
        "ppl_difference": (ppl_q - ppl_b, root(a * a + e * e - 2 * both)),
        "kld_mean": mean_se(in_order(kld), in_order(kld * kld), n),
        "dp_mean": (100 * dp_mean, 100 * dp_se),
        "dp_rms": (100 * math.sqrt(mean_square), 100 * (quotient(0.5, math.sqrt(mean_square)) * square_se)),
        "same_top_p": (100 * same, 100 * math.sqrt(same * (1 - same) / (n - 1)) if n > 1 else math.nan),
    }


def told(name, which):
    def compute(c):
        value = block(c)[name][which]
        return None if math.isnan(value) else st.exact(value, len(c["llama_kld"]))

    return compute


def percentile(array, unit, p):
    """In float32: p is, and so are its place among the sorted values and what is taken of the two next to it."""
    def compute(c):
        x, one = np.sort(c[array].astype(np.float32)), np.float32(1)
        n = len(x)
        if p in (0, 1):
            value = x[-1] if p else x[0]
        elif p == 0.5:
            value = x[n // 2] if n % 2 else np.float32(0.5) * (x[n // 2] + x[n // 2 - 1])
        else:
            at = np.float32(p) * np.float32(n - 1)
            k = int(at)
            at -= np.float32(k)
            value = (one - at) * x[k] + at * x[min(k + 1, n - 1)]
        return st.exact(unit * float(value), n)

    return compute


for name in ("ppl", "ppl_base", "ppl_correlation", "ln_ppl_ratio", "ppl_ratio", "ppl_difference", "kld_mean", "dp_mean", "dp_rms", "same_top_p"):
    entry("kl", "llama_" + name, told(name, 0), degenerate=uniform_void)
    if name != "ppl_correlation":
        entry("kl", f"llama_{name}_se", told(name, 1), degenerate=uniform_void)
for word, p in {**QUANTILES, "max": 1, "min": 0}.items():
    if word not in ("p75", "p25"):
        entry("kl", "llama_kld_" + word, percentile("llama_kld", 1, p), degenerate=uniform_void)
    entry("kl", "llama_dp_" + word, percentile("llama_dp", 100, p), degenerate=uniform_void)
