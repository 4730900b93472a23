"""The statistics of a result file's summary, a second time: written from docs/result-file.md ("Intervals") and the literature that it
names, in NumPy and SciPy, without a line of the program. Everything is float64; sums are exact (math.fsum), so that what differs
from the program is the program's rounding."""
import functools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import stats

LEVEL = 0.95
NAN = math.nan


@dataclass
class Estimate:
    value: float
    lo: float = NAN
    hi: float = NAN
    n: int = 1
    method: str = "none"  # how lo and hi were made
    scale: float = 0.0  # size of the terms that value is a difference of: rounding is relative to it

    def bound_scale(self):
        """Likewise for lo and hi: the larger of them, but of bounds that are entries themselves."""
        entries = self.method in ("order statistics", "Woodruff", "Kaplan-Meier", "identity", "none")
        return self.scale if entries else max(self.scale, abs(self.lo), abs(self.hi))


def exact(value, n=1):
    """A count, a size or a fact: nothing was sampled, so that there is no interval."""
    return Estimate(float(value), n=int(n))


# ---- means over clusters ----


def runs(ids):
    """First entries of the clusters: a cluster is a run of equal ids."""
    return np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.array([], int)


def totals(x, ids):
    parts = np.split(np.asarray(x, float), runs(ids)[1:])
    return np.array([math.fsum(p) for p in parts])


def wilson(p, n, t):
    """Wilson 1927: the p' with |p - p'| <= t sqrt(p' (1 - p') / n), by the quadratic's roots."""
    a, b, c = 1 + t * t / n, -(2 * p + t * t / n), p * p
    root = math.sqrt(max(b * b - 4 * a * c, 0))
    return (0.0 if p == 0 else (-b - root) / (2 * a)), (1.0 if p == 1 else (-b + root) / (2 * a))


@functools.cache
def resamples(count, times=1999, seed=0x71626F6F74737472):
    """Clusters [times, count] that each resample draws: splitmix64 (Steele, Lea and Flood 2014). Stream b begins at the hash of
    seed + (b + 1) gamma; each output gives two indices, of its low and its high 32 bits: bits * count / 2^32."""
    gamma, mask = 0x9E3779B97F4A7C15, np.uint64(0xFFFFFFFF)

    def mix(z):
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return z ^ z >> np.uint64(31)

    def steps(k):  # gamma, 2 gamma, ... modulo 2^64
        return np.arange(1, k + 1, dtype=np.uint64) * np.uint64(gamma)

    start = mix(np.uint64(seed) + steps(times))
    bits = mix(start[:, None] + steps((count + 1) // 2)[None, :])
    draws = np.stack([bits & mask, bits >> np.uint64(32)], axis=2).reshape(times, -1)[:, :count]
    return (draws * np.uint64(count) >> np.uint64(32)).astype(int)


def bootstrap_t(e, w, value, se):
    """Efron and Tibshirani 1993, 12.5, on residuals e of a ratio: bounds, or None where a quantile of t* is not finite."""
    drawn = resamples(len(e))
    es, ws = e[drawn], w[drawn]
    d = es.sum(1) / ws.sum(1)  # R* - R
    d[np.abs(d) <= 1e-12 * se] = 0  # a tie with the data
    squares = ((es - d[:, None] * ws) ** 2).sum(1)
    spread = squares > 1e-14 * (es**2).sum(1)
    n = len(e)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(spread, d / (np.sqrt(n / (n - 1) * squares) / ws.sum(1)), np.where(d == 0, 0, np.copysign(np.inf, d)))
    t.sort()
    k = round((len(t) + 1) * (1 - LEVEL) / 2)  # the 50th of 1999 from either end
    low, high = t[k - 1], t[-k]
    return (value - high * se, value - low * se) if np.isfinite(low) and np.isfinite(high) else None


def ratio_interval(s, w, share=False, icc=1.0):
    """(lo, hi, method) of R = sum(s) / sum(w) over clusters; the method is by kind and number of clusters."""
    count, weight = len(s), math.fsum(w)
    value = math.fsum(s) / weight
    if share and value in (0, 1):  # no spread to learn from: Kish's design effect with the assumed correlation
        m = math.fsum(w * w) / weight
        return *wilson(value, weight / (1 + (max(m, 1) - 1) * icc), stats.norm.ppf(0.5 + LEVEL / 2)), "wilson at the end"
    e = s - value * w
    se = math.sqrt(count / (count - 1) * math.fsum(e * e)) / weight  # Cochran 1977, 6.4; G / (G - 1)
    if not se > 8 * np.finfo(float).eps * abs(value):
        return NAN, NAN, "none"
    t = stats.t.ppf(0.5 + LEVEL / 2, count - 1)
    if share:  # Korn and Graubard 1998
        return *wilson(value, value * (1 - value) / se**2, t), "wilson"
    lo, hi = value - t * se, value + t * se
    bounds = bootstrap_t(e, w, value, se) if 5 <= count <= 1000 else None
    if bounds is None:
        return lo, hi, "cluster-t"
    return min(lo, bounds[0]), max(hi, bounds[1]), "envelope-t"


def ratio(s, w, n, *, share=False, icc=1.0, least=-math.inf, most=math.inf, identity=None, told=lambda x: x, scale=0.0):
    """The ratio of cluster totals, told(R) with interval. `identity`: what identical arms give, told(0)."""
    out = Estimate(told(math.fsum(s) / math.fsum(w)), n=n, scale=scale)
    if identity is not None and told(0.0) == identity and not np.any(s):
        out.lo, out.hi, out.method = identity, identity, "identity"
    elif len(s) > 1 and math.isfinite(math.fsum(s)):
        lo, hi, out.method = ratio_interval(s, w, share, icc)
        out.lo, out.hi = told(max(lo, 0.0 if share else least)), told(min(hi, 1.0 if share else most))
    if not (math.isfinite(out.value) and math.isfinite(out.lo) and math.isfinite(out.hi)):
        out.lo, out.hi, out.method = NAN, NAN, "none"
    return out


def mean(x, ids, **kind):
    """Mean over entries x, which fall into clusters of dependent ones by ids."""
    if len(x) == 0:
        return None
    return ratio(totals(x, ids), totals(np.ones(len(x)), ids), len(x), **kind)


def percent(x):
    return 100 * x


def exponential(x):
    return math.exp(x) if x < 709.78 else math.inf


def share(hits, ids, icc=1.0):
    """Share of entries in percent; entries in [0, 1]."""
    return mean(np.asarray(hits, float), ids, share=True, icc=icc, told=percent)


# ---- quantiles ----


def type7(x, p):
    """Hyndman and Fan 1996, definition 7."""
    x = np.sort(np.asarray(x, float))
    at = p * (len(x) - 1)
    k = int(at)
    return float(x[k] if k + 1 >= len(x) or x[k] == x[k + 1] else x[k] + (at - k) * (x[k + 1] - x[k]))


def bounded(x, p, r, s, method):
    """The estimate with order statistics of ranks r and s (from 1) as bounds; ranks outside of the data, or infinite bounds: none."""
    x = np.sort(np.asarray(x, float))
    out = Estimate(type7(x, p), n=len(x))
    if r >= 1 and s <= len(x) and np.isfinite(x[[r - 1, s - 1]]).all():
        out.lo, out.hi, out.method = float(x[r - 1]), float(x[s - 1]), method
    return out


def median(x):
    """Of independent entries: order statistics by the binomial (Conover 1999, 3.2)."""
    tail = (1 - LEVEL) / 2
    b = stats.binom(len(x), 0.5)
    return bounded(x, 0.5, int(b.ppf(tail)), int(b.ppf(1 - tail)) + 1, "order statistics")


def quantile(x, ids, p):
    """Of clustered entries: Woodruff 1952, with Wilson's interval of the share at its effective sample size (at most n)."""
    x = np.asarray(x, float)
    value, n = type7(x, p), len(x)
    below = (x <= value).astype(float)
    share_below, e = below.mean(), totals(below - below.mean(), ids)
    g = len(e)
    if g < 2:
        return Estimate(value, n=n)
    variance = g / (g - 1) * math.fsum(e * e) / n**2
    size = min(n, share_below * (1 - share_below) / variance) if variance > 0 else n
    t, z = stats.t.ppf(0.5 + LEVEL / 2, g - 1), stats.norm.ppf(0.5 + LEVEL / 2)
    effective = size * (z / t) ** 2
    if max(p**effective, (1 - p) ** effective) > (1 - LEVEL) / 2:  # the quantile may lie beyond all entries
        return Estimate(value, n=n)
    lo, hi = wilson(p, size, t)
    return bounded(x, p, math.ceil(lo * n), math.floor(hi * n) + 1, "Woodruff")


# ---- survival ----


def survival_median(time, event, end):
    """Kaplan and Meier 1958: the first time at which survival is 50% or less, `end` when none is; its interval holds the times at
    which the log-log interval of the curve (Kalbfleisch and Prentice) holds 50% (Brookmeyer and Crowley 1982)."""
    out = Estimate(float(end), n=len(time))
    survival, variance, lo, hi = Fraction(1), 0.0, NAN, NAN
    z = stats.norm.ppf(0.5 + LEVEL / 2)
    found = False
    for t in np.unique(time[event]):
        risk, events = int((time >= t).sum()), int(((time == t) & event).sum())
        survival *= Fraction(risk - events, risk)  # exact: 50% is met or not
        upper = lower = 0.0
        if survival > 0:
            variance += events / (risk * (risk - events))
            theta = z * math.sqrt(variance) / abs(math.log(survival))
            lower, upper = float(survival) ** math.exp(theta), float(survival) ** math.exp(-theta)
        if not found and 2 * survival <= 1:
            out.value, found = float(t), True
        lo = float(t) if math.isnan(lo) and lower <= 0.5 else lo
        hi = float(t) if math.isnan(hi) and upper <= 0.5 else hi
    if len(time) > 1 and not math.isnan(lo) and not math.isnan(hi):
        out.lo, out.hi, out.method = lo, hi, "Kaplan-Meier"
    return out
