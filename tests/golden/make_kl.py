#!/usr/bin/env python3
"""llama.cpp's KL statistics a second time, in NumPy from the formulas of its tools/perplexity/perplexity.cpp (as of 2025). Writes kl.json,
planted logits and arrays with what must come out, and kl_base.dat, a logits base file of planted logits."""
import json
import math
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
F = np.float32


def softmax_parts(x):
    x = np.asarray(x, F)
    most = x.max()
    return most, F(math.log(math.fsum(math.exp(v) for v in (x - most).astype(float))))


def pack(x):
    """scale, offset, words: 65535 steps down to the least logit, or to 16 under the largest."""
    x = np.asarray(x, F)
    most, normaliser = softmax_parts(x)
    least = max(x.min(), most - F(16))
    scale = F((most - least) / F(65535))
    words = np.zeros(len(x), int)
    if scale:
        words = np.where(x > least, np.rint((F(1) / scale) * (x - least)), 0).astype(int)
    return scale, F(least - most - normaliser), words


def position(base, x, target):
    """kld, nll, nll_base, dp, same_top of logits x against a packed row."""
    x = np.asarray(x, F)
    scale, offset, words = base
    log_p = scale * words.astype(F) + offset
    most, normaliser = softmax_parts(x)
    nll, nll_base = F(most + normaliser - x[target]), F(-log_p[target])
    kept = log_p > -16
    kld = math.fsum((np.exp(log_p) * (log_p - x + F(most + normaliser)))[kept].astype(float))
    return {"kld": kld, "nll": float(nll), "nll_base": float(nll_base), "dp": math.exp(-nll) - math.exp(-nll_base),
            "same_top": int(np.argmax(x) == np.argmax(log_p))}


def rows():
    rng = np.random.default_rng(11)
    near = rng.normal(0, 3, 33).astype(F)
    yield "odd vocabulary", near, (near + rng.normal(0, 0.2, 33)).astype(F), 4
    deep = rng.normal(0, 9, 40).astype(F)
    yield "deeper than 16 nat, target at the bottom", deep, (deep + rng.normal(0, 0.5, 40)).astype(F), int(np.argmin(deep))
    yield "all the same", np.full(12, 2.5, F), rng.normal(0, 1, 12).astype(F), 3
    tie = np.array([1, 5, 5, 0, -3, 5, 2, 1], F)
    yield "ties for the top: the first counts", tie, np.array([1, 4, 5, 0, -3, 5, 2, 1], F), 2
    yield "ties for the variant's top: likewise", np.array([1, 5, 4, 0, -3, 4, 2, 1], F), tie, 2
    yield "words that are ties only as such", np.array([9, 8.99999, -7, 0], F), np.array([8.9, 9, -7, 0], F), 0


def logit_cases():
    for name, p, q, target in rows():
        base = pack(p)
        yield {"name": name, "p": [float(v) for v in p], "q": [float(v) for v in q], "target": target, "scale": float(base[0]),
               "offset": float(base[1]), "words": base[2].tolist(), **position(base, q, target)}


def arrays(n, same):
    rng = np.random.default_rng(3)
    base = rng.gamma(1.2, 1.5, n).astype(F)
    nll = base.copy() if same else np.abs(base + rng.normal(0, 0.05, n)).astype(F)
    kld = np.zeros(n) if same else np.exp(rng.normal(-7, 1.5, n))
    dp = (np.exp(-nll.astype(float)) - np.exp(-base.astype(float))).astype(F)
    return {"llama_kld": kld, "llama_nll": nll, "llama_nll_base": base, "llama_dp": dp, "llama_same_top": (rng.random(n) < 0.97) | same}


def sums(*terms):
    """Term by term in float64."""
    total = 0.0
    for t in terms[0].astype(float):
        total += t
    return total


def mean_and_uncertainty(total, squares, n):
    f = total / n
    df = squares / n - f * f
    return f, math.sqrt(df / (n - 1)) if df > 0 and n > 10 else 0.0


def fraction(values, p):
    v = np.sort(np.asarray(values, F))
    at = F(p) * F(len(v) - 1)
    ip = int(at)
    at = F(at - F(ip))
    return float((F(1) - at) * v[ip] + at * v[min(ip + 1, len(v) - 1)])


def middle(values):
    v, n = np.sort(np.asarray(values, F)), len(values)
    return float(F(0.5) * (v[n // 2] + v[n // 2 - 1]) if n % 2 == 0 else v[n // 2])


PARTS = {"p99_9": 0.999, "p99": 0.99, "p95": 0.95, "p90": 0.9, "p75": 0.75, "p25": 0.25, "p10": 0.1, "p5": 0.05, "p1": 0.01, "p0_1": 0.001}


def block(a):
    q, b, d, n = a["llama_nll"], a["llama_nll_base"], a["llama_dp"], len(a["llama_nll"])
    (lq, uq), (lb, ub) = (mean_and_uncertainty(sums(x), sums(x * x), n) for x in (q, b))
    cov = (sums(q * b) / n - (sums(q) / n) * (sums(b) / n)) / (n - 1)
    ratio, out = lq - lb, {}
    under = uq * uq + ub * ub - 2 * cov
    unc = math.sqrt(under) if under >= 0 else None
    pq, pb = math.exp(lq), math.exp(lb)
    out["ppl"], out["ppl_base"] = (pq, pq * uq), (pb, pb * ub)
    out["ppl_correlation"] = (100 * cov / (uq * ub),)
    out["ln_ppl_ratio"] = (ratio, unc)
    out["ppl_ratio"] = (math.exp(ratio), unc if unc is None else math.exp(ratio) * unc)
    both = (pq * uq) ** 2 + (pb * ub) ** 2 - 2 * pq * pb * cov
    out["ppl_difference"] = (pq - pb, math.sqrt(both) if both >= 0 else None)
    out["kld_mean"] = mean_and_uncertainty(sums(a["llama_kld"]), sums(a["llama_kld"] ** 2), n)
    d2 = (d * d).astype(float)
    out["dp_mean"] = tuple(100 * v for v in mean_and_uncertainty(sums(d), sums(d2), n))
    mse, mse_unc = mean_and_uncertainty(sums(d2), sums(d2 * d2), n)
    out["dp_rms"] = (100 * math.sqrt(mse), 100 * 0.5 / math.sqrt(mse) * mse_unc if mse else None)
    p = a["llama_same_top"].sum() / n
    out["same_top_p"] = (100 * p, 100 * math.sqrt(p * (1 - p) / (n - 1)))
    told = {f"llama_{k}": v[0] for k, v in out.items()}
    told.update({f"llama_{k}_se": v[1] for k, v in out.items() if len(v) == 2})
    for name, array, unit in (("kld", "llama_kld", 1), ("dp", "llama_dp", 100)):
        v = np.asarray(a[array], F)
        told[f"llama_{name}_max"], told[f"llama_{name}_min"] = unit * float(v.max()), unit * float(v.min())
        told[f"llama_{name}_median"] = unit * middle(v)
        for part, p in PARTS.items():
            if name == "dp" or part not in ("p75", "p25"):
                told[f"llama_{name}_{part}"] = unit * fraction(v, p)
    return told


def blocks():
    for name, n, same in (("131 positions", 131, False), ("120 positions, an even number", 120, False), ("identical arms", 128, True)):
        a = arrays(n, same)
        yield {"name": name, "arrays": {k: [float(x) for x in v] for k, v in a.items()}, "expected": block(a)}


def exact():
    """Twelve chunks of ten positions: what the float64 counterparts must be."""
    rng = np.random.default_rng(5)
    n, chunk = 120, np.repeat(np.arange(12), 10)
    base = rng.gamma(1.2, 1.5, n)
    nll = np.abs(base + rng.normal(0, 0.05, n) + 0.01 * chunk)
    dp = 100 * (np.exp(-nll) - np.exp(-base))
    kl = np.exp(rng.normal(-7, 1.5, n))
    expected = {"log_perplexity_ratio": (nll - base).mean(), "perplexity_difference": math.exp(nll.mean()) - math.exp(base.mean()),
                "likelihood_correlation": 100 * np.corrcoef(nll, base)[0, 1], "dp_mean": dp.mean(), "dp_rms": math.sqrt((dp**2).mean()),
                "dp_max": dp.max(), "dp_min": dp.min(), "dp_median": np.median(dp), "kl_min": kl.min(), "kl_mean": kl.mean(),
                "perplexity": math.exp(nll.mean()), "perplexity_ratio": math.exp((nll - base).mean())}
    for part, p in PARTS.items():
        expected["dp_" + part] = np.quantile(dp, p)
        if part not in ("p75", "p25"):
            expected["kl_" + part] = np.quantile(kl, p)
    return {"chunk": chunk.tolist(), "nll": nll.tolist(), "reference_nll": base.tolist(), "kl": kl.tolist(), "target": [0] * n,
            "expected": {k: float(v) for k, v in expected.items()}}


def base_file(path):
    """Header, tokens, and of each chunk the positions context/2 to context - 2."""
    rng = np.random.default_rng(8)
    context, vocab, chunks = 9, 13, 2
    tokens = rng.integers(0, vocab, (chunks, context))
    logits = rng.normal(0, 6, (chunks, context - 1 - context // 2, vocab)).astype(F)
    data = b"_logits_" + struct.pack("<Iii", context, vocab, chunks) + tokens.astype("<i4").tobytes()
    for row in logits.reshape(-1, vocab):
        scale, offset, words = pack(row)
        data += struct.pack("<ff", scale, offset) + words.astype("<u2").tobytes() + b"\0\0" * (vocab % 2)
    path.write_bytes(data)
    return {"context": context, "vocab": vocab, "chunks": chunks, "tokens": tokens.ravel().tolist(), "logits": [float(x) for x in logits.ravel()]}


golden = {"about": "make_kl.py", "numpy": np.__version__, "rows": list(logit_cases()), "blocks": list(blocks()), "exact": exact(),
          "base_file": base_file(HERE / "kl_base.dat")}
(HERE / "kl.json").write_text(json.dumps(golden) + "\n")
