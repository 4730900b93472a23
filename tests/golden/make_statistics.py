#!/usr/bin/env python3
"""Statistics by SciPy and statsmodels, or by plain numpy where neither has them. Writes statistics.json.

Needs numpy, scipy and statsmodels (the versions stand in "origin"). Every case says which function gave it."""
import json
import math
import pathlib

import numpy
import scipy
import statsmodels
import statsmodels.api
from scipy import special, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

HERE = pathlib.Path(__file__).resolve().parent
RESAMPLES = 1999


def distributions():
    zs = [-30.0, -8.5, -3.0, -1.96, -0.1, 0.0, 0.7, 2.5, 6.0]
    ps = [1e-300, 1e-20, 1e-6, 0.02425, 0.025, 0.3, 0.5, 0.9, 0.975, 0.9999]
    dfs = [0.3, 1, 2, 3.7, 10, 30.5, 1000, 1e6, 1e12]
    ts = [-50.0, -3.0, -0.1, 0.0, 0.5, 2.0, 8.0, 300.0]
    shapes = [0.5, 1, 2.3, 10, 40, 500, 1e5, 1e7]
    beta = []
    for a in shapes:
        for b in shapes:
            for x in (1e-9, 0.01, 0.2, 0.5, 0.77, 0.999, a / (a + b)):
                beta.append([x, a, b, float(special.betainc(a, b, x))])
    binomial = [(k, n, p, float(stats.binom.cdf(k, n, p))) for n, p, ks in (
        (1, 0.5, (0, 1)), (10, 0.3, (0, 3, 9)), (500, 0.01, (0, 2, 5, 20)), (1000000, 0.02, (19500, 20000, 20300)), (7, 0, (0,)), (7, 1, (0, 6, 7)))
        for k in ks]
    return {"normal_cdf": [[z, float(stats.norm.cdf(z))] for z in zs], "normal_quantile": [[p, float(stats.norm.ppf(p))] for p in ps],
            "student_cdf": [[t, df, float(stats.t.cdf(t, df))] for t in ts for df in dfs],
            "student_quantile": [[p, df, float(stats.t.ppf(p, df))] for p in ps for df in dfs if p > 1e-100 or df >= 1000],
            "beta_cdf": beta, "binomial_cdf": [list(c) for c in binomial]}


def cluster_cases():
    rng = numpy.random.default_rng(7)
    equal = [rng.normal(rng.normal(0, 0.4), 1, 16) for _ in range(12)]
    unequal = [numpy.exp(rng.normal(rng.normal(-6, 0.5), 1.3, int(rng.integers(3, 60)))) for _ in range(20)]
    share = [(rng.random(50) < p).astype(float) for p in rng.beta(60, 2, 15)]
    few = [rng.normal(3, 1, 5) for _ in range(3)]
    skewed = [numpy.exp(rng.normal(0, 1.6, 1)) for _ in range(30)]
    return {"equal": equal, "unequal": unequal, "share": share, "few": few, "skewed": skewed}


def fit(values, groups):
    """OLS on a constant with cluster-robust covariance. use_correction: G / (G - 1) * (n - 1) / (n - 1), which for one
    regressor is our G / (G - 1); df_correction: Student's t with G - 1 df."""
    return statsmodels.api.OLS(values, numpy.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True, "df_correction": True}, use_t=True)


def flat(clusters):
    return numpy.concatenate(clusters), numpy.repeat(numpy.arange(len(clusters)), [len(c) for c in clusters])


def totals(clusters):
    return [float(math.fsum(c)) for c in clusters], [float(len(c)) for c in clusters]


def cluster_t():
    out = []
    for name, clusters in cluster_cases().items():
        for level in (0.95, 0.9):
            model = fit(*flat(clusters))
            lo, hi = model.conf_int(alpha=1 - level)[0]
            s, w = totals(clusters)
            out.append({"name": name, "sum": s, "weight": w, "level": level, "value": float(model.params[0]), "se": float(model.bse[0]),
                        "lo": float(lo), "hi": float(hi)})
    return out


def effective_wilson():
    s, w = totals(cluster_cases()["share"])
    model = fit(*flat(cluster_cases()["share"]))
    p, se, t = float(model.params[0]), float(model.bse[0]), stats.t.ppf(0.975, len(s) - 1)
    n = p * (1 - p) / se**2
    lo, hi = proportion_confint(p * n, n, alpha=2 * stats.norm.sf(t), method="wilson")
    cases = [{"name": "t over clusters", "sum": s, "weight": w, "icc": 0.05, "lo": float(lo), "hi": float(hi)}]
    for m, g, icc in ((128, 20, 0.05), (50, 8, 1.0), (1, 30, 0.3)):  # all ones
        n = m * g / (1 + (m - 1) * icc)
        lo, hi = proportion_confint(n, n, method="wilson")
        cases.append({"name": "all ones", "sum": [float(m)] * g, "weight": [float(m)] * g, "icc": icc, "lo": float(lo), "hi": float(hi)})
    sizes = [10.0, 50.0]
    n = sum(sizes) / (1 + (sum(x * x for x in sizes) / sum(sizes) - 1) * 0.05)
    lo, hi = proportion_confint(0, n, method="wilson")
    cases.append({"name": "no ones, unequal", "sum": [0.0, 0.0], "weight": sizes, "icc": 0.05, "lo": float(lo), "hi": float(hi)})
    return cases


def ratio_statistic(s, w, axis):
    return s.sum(axis=axis) / w.sum(axis=axis)


def bca(s, w, resamples, seed):
    b = stats.bootstrap((s, w), ratio_statistic, n_resamples=resamples, paired=True, vectorized=True, method="BCa", rng=seed, batch=2000)
    return [float(b.confidence_interval.low), float(b.confidence_interval.high)]


def bootstrap_t(s, w, resamples, seed):
    rng, g = numpy.random.default_rng(seed), len(s)
    r = s.sum() / w.sum()
    se = math.sqrt(g / (g - 1) * ((s - r * w) ** 2).sum()) / w.sum()
    i = rng.integers(0, g, (resamples, g))
    ss, ww = s[i], w[i]
    rb = ss.sum(1) / ww.sum(1)
    seb = numpy.sqrt(g / (g - 1) * ((ss - rb[:, None] * ww) ** 2).sum(1)) / ww.sum(1)
    low, high = numpy.quantile((rb - r) / seb, (0.025, 0.975), method="weibull")  # (B + 1) p
    return [float(r - high * se), float(r - low * se)]


def bootstraps():
    """Bounds from 2 * 10^5 resamples, and the standard deviation of each bound over 200 runs of 1999."""
    out = []
    for name in ("equal", "unequal", "skewed"):
        s, w = (numpy.array(x) for x in totals(cluster_cases()[name]))
        for method, f in (("bca", bca), ("bootstrap-t", bootstrap_t)):
            sd = numpy.std([f(s, w, RESAMPLES, seed) for seed in range(200)], axis=0, ddof=1)
            lo, hi = f(s, w, 200000, 1000)
            out.append({"name": name, "method": method, "sum": s.tolist(), "weight": w.tolist(), "lo": lo, "hi": hi,
                        "lo_sd": float(sd[0]), "hi_sd": float(sd[1])})
    return out


def differences():
    rng = numpy.random.default_rng(11)
    out = {}
    a, b = rng.normal(0, 1, 14), rng.normal(0.5, 1.5, 14)
    t = stats.ttest_rel(b, a)
    out["paired"] = {"a": a.tolist(), "b": b.tolist(), "value": float((b - a).mean()), "se": float(stats.sem(b - a)), "p": float(t.pvalue),
                     "above": {"bound": 0.2, "p": float(stats.ttest_1samp(b - a, 0.2, alternative="greater").pvalue)},
                     "below": {"bound": 0.9, "p": float(stats.ttest_1samp(b - a, 0.9, alternative="less").pvalue)}}
    wide = rng.normal(0.7, 3, 23)
    t = stats.ttest_ind(wide, a, equal_var=False)
    ci = t.confidence_interval(0.95)
    se = math.sqrt(a.var(ddof=1) / len(a) + wide.var(ddof=1) / len(wide))
    out["welch"] = {"a": a.tolist(), "b": wide.tolist(), "value": float(wide.mean() - a.mean()), "se": se, "df": float(t.df), "p": float(t.pvalue),
                    "lo": float(ci.low), "hi": float(ci.high),
                    "detectable": {"bound": 0.25, "alpha": 0.05, "power": 0.8, "value": float(0.25 + (stats.t.ppf(0.95, t.df) + stats.t.ppf(0.8, t.df)) * se)}}
    x = cluster_cases()["unequal"]
    y = [c * numpy.exp(rng.normal(0.1, 0.2, len(c))) for c in x]
    d, groups = flat([q - p for p, q in zip(x, y)])
    m = fit(d, groups)
    out["paired_unequal"] = {"a": totals(x)[0], "b": totals(y)[0], "weight": totals(x)[1], "value": float(m.params[0]), "se": float(m.bse[0]), "p": float(m.pvalues[0])}
    return out


def families():
    rng = numpy.random.default_rng(3)
    out = []
    for p in ([0.01, 0.04, 0.03, 0.005], [0.02, 0.02, 0.02], [0.9], [1, 0.5, 0.5, 1e-12], rng.random(40).tolist(), (rng.random(25) ** 3).tolist()):
        out.append({"p": p, "holm": multipletests(p, method="holm")[1].tolist(), "bh": multipletests(p, method="fdr_bh")[1].tolist()})
    return out


def mcnemars():
    return [[b, c, float(mcnemar([[5, b], [c, 7]], exact=True).pvalue)] for b, c in ((1, 0), (0, 5), (3, 3), (10, 2), (40, 61), (700, 801))]


def quantile_iid(x, p, level):
    """Ranks from scipy's binomial: r - 1 is the largest count with P(X <= r - 1) <= tail."""
    x, n, tail = numpy.sort(x), len(x), (1 - level) / 2
    k = numpy.arange(n + 1)
    cdf = stats.binom.cdf(k, n, p)
    r = int((cdf <= tail).sum())  # counts 0 .. r - 1
    s = int(numpy.argmax(cdf >= 1 - tail)) + 1
    return None if r < 1 or s > n else [float(x[r - 1]), float(x[s - 1])]


def quantile_woodruff(clusters, p, level):
    """The share of entries up to the quantile: its cluster-robust standard error from statsmodels, Wilson's interval of
    p at the effective size (at most n) from statsmodels, inverted through the sorted entries."""
    x, groups = flat(clusters)
    n, q = len(x), float(numpy.quantile(x, p))
    below = (x <= q).astype(float)
    share, se = below.mean(), float(fit(below, groups).bse[0])
    size = min(n, share * (1 - share) / se**2)
    t, z = stats.t.ppf(0.5 + level / 2, len(clusters) - 1), stats.norm.ppf(0.5 + level / 2)
    if max(p, 1 - p) ** (size * (z / t) ** 2) > (1 - level) / 2:  # the quantile may lie beyond all entries
        return q, None
    lo, hi = proportion_confint(p * size, size, alpha=2 * stats.norm.sf(t), method="wilson")
    r, s = math.ceil(lo * n), math.floor(hi * n) + 1
    x = numpy.sort(x)
    return q, None if r < 1 or s > n else [float(x[r - 1]), float(x[s - 1])]


def quantiles():
    rng, out = numpy.random.default_rng(5), []
    for n in (3, 6, 20, 100, 400):
        x = rng.lognormal(0, 1, n)
        for p in (0.5, 0.9, 0.99):
            bounds = quantile_iid(x, p, 0.95)
            out.append({"x": x.tolist(), "id": None, "p": p, "value": float(numpy.quantile(x, p)), "interval": bounds})
    for g, m in ((10, 12), (20, 32), (4, 5)):
        clusters = [rng.lognormal(rng.normal(0, 0.4), 1, m) for _ in range(g)]
        x, groups = flat(clusters)
        for p in (0.5, 0.9, 0.99):
            value, bounds = quantile_woodruff(clusters, p, 0.95)
            out.append({"x": x.tolist(), "id": groups.tolist(), "p": p, "value": value, "interval": bounds})
    return out


def survival():
    rng, out = numpy.random.default_rng(9), []
    cases = [(numpy.array([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35.0]), numpy.array([1] * 9 + [0] * 12)),  # 6-MP, Freireich 1963
             (numpy.minimum(rng.geometric(0.05, 32), 40).astype(float), None), (numpy.array([1.0, 2, 3]), numpy.array([1, 1, 1]))]
    for time, event in cases:
        event = (time < 40).astype(int) if event is None else event
        sf = statsmodels.api.SurvfuncRight(time, event)
        steps = []
        for t, s, se, n, d in zip(sf.surv_times, sf.surv_prob, sf.surv_prob_se, sf.n_risk, sf.n_events):
            if d == 0:
                continue
            inside = 0 < s < 1
            theta = 1.959963984540054 * (se / s) / math.log(s) if inside else math.nan  # Kalbfleisch and Prentice
            steps.append([float(t), float(s), int(n), int(d), s ** math.exp(-theta) if inside else None, s ** math.exp(theta) if inside else None])
        out.append({"time": time.tolist(), "event": event.tolist(), "steps": steps})
    return out


def main():
    wilson = [[k, n, *map(float, proportion_confint(k, n, method="wilson"))] for k, n in ((0, 10), (10, 10), (1, 3), (490, 500), (999999, 1000000))]
    golden = {"distributions": distributions(), "wilson": wilson, "cluster_t": cluster_t(), "effective_wilson": effective_wilson(), "bootstrap": bootstraps(),
              "difference": differences(), "families": families(), "mcnemar": mcnemars(), "quantile": quantiles(), "survival": survival()}
    origin = f"tests/golden/make_statistics.py, scipy {scipy.__version__}, statsmodels {statsmodels.__version__}, numpy {numpy.__version__}"
    lines = [f'"origin": {json.dumps(origin)}'] + [f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in golden.items()]
    (HERE / "statistics.json").write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
