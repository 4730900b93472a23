"""Metrics of roundtrip, predict, linearity, depth and memory."""
import math

import numpy as np
from second import statistics as st
from second.registry import copied, entry, metric, needs


# ---- roundtrip: sums of squares and largest errors ----


def sqnr(signal, error, n):
    """10 log10 of the sums' ratio: +inf without an error, -inf where there is nothing but error."""
    signal, error = math.fsum(np.atleast_1d(signal)), math.fsum(np.atleast_1d(error))
    if error == 0 or signal == 0:
        return st.exact(math.inf if error == 0 else -math.inf, n)
    return st.exact(10 * math.log10(signal / error), n)


@metric("roundtrip", "sqnr_db", infinite=True)
def sqnr_db(c):
    return sqnr(c["signal_power"], c["error_power"], len(c["signal_power"])) if needs(c, "signal_power") else None


def largest(array):
    return lambda c: st.exact(c[array].max(), len(c[array])) if needs(c, array) else None


entry("roundtrip", "max_abs_error", largest("max_abs_error"), identity=0)


@metric("roundtrip", "relative_error", identity=0, infinite=True)
def relative_error(c):
    """Of values that are not 0; zeros that do not come back as zeros are an error over nothing."""
    out = largest("max_relative_error")(c)
    if out and ((c["signal_power"] == 0) & (c["max_abs_error"] > 0)).any():
        out.value = math.inf
    return out



@metric("roundtrip", "codes_used")
def codes_used(c):
    return st.exact((c["code_count"] > 0).sum(), len(c["code_count"])) if needs(c, "code_count") else None


def sqnr_of_input(name):
    def compute(c):
        at = np.flatnonzero(c["input"] == name.encode()) if needs(c, "input") else []
        return sqnr(c["input_signal_power"][at], c["input_error_power"][at], 1) if len(at) else None

    return compute


for name in ("gaussian", "laplace", "student_t5", "log_uniform", "uniform"):
    entry("roundtrip", f"sqnr_db_{name}", sqnr_of_input(name), infinite=True)


# ---- predict: ratios of errors to signals, averaged over weights ----


def mean_ratio(signal, error):
    def compute(c):
        if not needs(c, signal):
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = math.fsum(np.where(c[error] == 0, 0.0, c[error] / c[signal])) / len(c[signal])
        return st.exact(math.inf if mean == 0 else -10 * math.log10(mean), len(c[signal]))

    return compute


entry("predict", "weight_sqnr_db", mean_ratio("signal_power", "error_power"), infinite=True)
entry("predict", "weighted_sqnr_db", mean_ratio("weighted_signal_power", "weighted_error_power"), infinite=True)
entry("predict", "output_sqnr_db", mean_ratio("output_power", "output_error_power"), infinite=True)


@metric("predict", "relative_rms", identity=0)
def relative_rms(c):
    count = c["nonzero_values"].sum() if needs(c, "nonzero_values") else 0
    return st.exact(math.sqrt(math.fsum(c["relative_power"]) / count), len(c["nonzero_values"])) if count else None


# ---- linearity: medians over independent trials ----


def over_noise(error, noise):
    """A lossless codec has no noise: no error is then 0 of it, and any error infinite."""
    return np.where((error == 0) & (noise == 0), 0.0, error / noise)


def over_trials(error, noise=None):
    def compute(c):
        if not needs(c, error):
            return None
        return st.median(over_noise(c[error], c[noise]) if noise else c[error])

    return compute


def is_linear(prefix):
    def compute(c):
        if not needs(c, prefix + "additivity_error"):
            return None
        medians = [st.type7(over_noise(c[prefix + e], c[prefix + "rounding_noise"]), 0.5) for e in ("additivity_error", "homogeneity_error")]
        return st.exact(max(medians) <= 3, len(c[prefix + "additivity_error"]))

    return compute


for prefix in ("", "coord_"):
    for name in ("additivity", "homogeneity"):
        entry("linearity", f"{prefix}{name}_ratio", over_trials(f"{prefix}{name}_error", prefix + "rounding_noise"), infinite=True)
    entry("linearity", f"{prefix}is_linear", is_linear(prefix))
entry("linearity", "linearity_error", over_trials("additivity_error", "rounding_noise"), infinite=True)
entry("linearity", "additivity_error", over_trials("additivity_error"))
entry("linearity", "homogeneity_error", over_trials("homogeneity_error"))


# ---- depth: means over positions, clusters are sequences ----


def sequences(c):
    n = c["accumulated_error"].shape[1]
    return c["sequence"] if needs(c, "sequence") else np.zeros(n, int)


def depth_mean(layers, least=1):
    def compute(c):
        if not needs(c, "accumulated_error") or len(c["accumulated_error"]) < least:
            return None
        return st.mean(layers(c).mean(0), sequences(c), least=0.0, identity=0.0)

    return compute


entry("depth", "error_first", depth_mean(lambda c: c["accumulated_error"][:1].astype(float)), identity=0)
entry("depth", "error_last", depth_mean(lambda c: c["accumulated_error"][-1:].astype(float)), identity=0)
entry("depth", "error_layer_3", depth_mean(lambda c: c["accumulated_error"][2:3].astype(float), 3), identity=0)
entry("depth", "error_layer_10", depth_mean(lambda c: c["accumulated_error"][9:10].astype(float), 10), identity=0)
entry("depth", "local_error_mean", depth_mean(lambda c: c["local_error"].astype(float)), identity=0)


@metric("depth", "growth_ratio", infinite=True)
def growth_ratio(c):
    """A ratio of means: the first layer's error takes the place of the weights."""
    if not needs(c, "accumulated_error"):
        return None
    first, last = (st.totals(c["accumulated_error"][i].astype(float), sequences(c)) for i in (0, -1))
    n = c["accumulated_error"].shape[1]
    if not first.any():
        return st.exact(math.inf, n) if last.any() else None
    return st.ratio(last, first, n, least=0.0) if first.all() else st.exact(last.sum() / first.sum(), n)


@metric("depth", "layers")
def layers(c):
    return st.exact(len(c["accumulated_error"]), len(c["accumulated_error"])) if needs(c, "accumulated_error") else None


# ---- memory: counts ----


def stored(c, array, encoded=False):
    rows = c["store"] != b"fp32" if encoded else slice(None)
    return c[array][rows].sum()


def buffers(c, encoded=False):
    return (c["store"] != b"fp32").sum() if encoded else len(c["store"])


for name, function in {
    "weight_bytes": lambda c: st.exact(stored(c, "bytes"), buffers(c)),
    "weight_bits": lambda c: st.exact(8 * stored(c, "bytes") / c["weight_values"], buffers(c)),
    "cache_bytes": lambda c: st.exact(stored(c, "cache_bytes"), buffers(c)),
    "held_bytes": lambda c: st.exact(stored(c, "held_bytes"), buffers(c)),
    "resident_bytes": lambda c: st.exact(stored(c, "bytes") + stored(c, "cache_bytes"), buffers(c)),
    "peak_rss_bytes": lambda c: st.exact(c["peak_rss"]) if c["peak_rss"] > 0 else None,  # 0: the system does not tell
    "rss_growth_bytes": lambda c: st.exact(c["rss_after"] - c["rss_before"]) if c["rss_after"] >= c["rss_before"] > 0 else None,
    "kv_bytes_per_token": copied("kv_bytes_per_token"),
    "act_bytes_per_token": copied("act_bytes_per_token"),
}.items():
    entry("memory", name, function)


@metric("memory", "encoded_bits_per_weight")
def encoded_bits_per_weight(c):
    return st.exact(8 * stored(c, "bytes", True) / stored(c, "values", True), buffers(c, True)) if buffers(c, True) else None


@metric("memory", "compression")
def compression(c):
    """All weights at four bytes, norms included, over all stored bytes: exactly 1 for FP32."""
    return st.exact(4 * c["weight_values"] / stored(c, "bytes"), buffers(c))


@metric("memory", "published_formula_bytes")
def published_formula_bytes(c):
    """The source's enc * 2 + (fp - enc) * 4; a negative number of bytes is none."""
    return st.exact(c["published_bytes"]) if c["published_bytes"] > 0 else None


@metric("memory", "published_compression")
def published_compression(c):
    return st.exact(c["published_fp32_bytes"] / c["published_bytes"]) if c["published_bytes"] > 0 else None


# ---- memory along a generation ----


def along(c, *names):
    """The series by their names, as differences between neighbouring samples; None where no generation was measured."""
    return [np.diff(c[f"generation_{n}"].astype(float)) for n in names] if needs(c, "generation_position", "generation_rss") else None


@metric("memory", "memory_growth")
def memory_growth(c):
    """Keys and values between the outermost samples of the second half at which every block is full."""
    if not needs(c, "generation_position"):
        return None
    at = c["generation_position"]
    full = np.flatnonzero((at % c["generation_block"] == 0) & (at >= at[-1] / 2))
    if len(full) < 2:
        return None
    first, last = full[0], full[-1]
    return st.exact((c["generation_cache_bytes"][last] - c["generation_cache_bytes"][first]) / (at[last] - at[first]), 2)


def resident(c, less):
    """Where working memory stayed as it was, from the second sample on: there no hole of the heap comes or goes."""
    steps = along(c, "position", "rss", "scratch_bytes", "cache_bytes")
    if steps is None or (c["generation_rss"][1:] <= 0).any():
        return None
    position, rss, scratch, cache = (x[1:] for x in steps)
    still = scratch == 0
    if still.sum() < 3:
        return None
    return st.Estimate(float((rss - less * cache)[still].sum() / position[still].sum()), n=int(still.sum()))


entry("memory", "memory_growth_measured", lambda c: resident(c, 0))
entry("memory", "memory_growth_beyond", lambda c: resident(c, 1))


# ---- memory within a budget: row 0 is the context at batch 1, row 1 the batch at a context ----


def fitting(row, array, bounded):
    """What fits, unless nothing does, or more than was looked at."""

    def compute(c):
        if not needs(c, array) or c[array][row] == 0 or c["budget_context"][row] == 0:
            return None
        return None if c["budget_next"][row] == 0 and not bounded(c) else st.exact(c[array][row])

    return compute


entry("memory", "context_at_budget", fitting(0, "budget_context", lambda c: c["budget_model_context"] > 0))
entry("memory", "batch_at_budget", fitting(1, "budget_batch", lambda c: False))


@metric("memory", "budget_peak_rss_bytes")
def budget_peak_rss_bytes(c):
    return st.exact(c["budget_peak"].max(), (c["budget_peak"] > 0).sum()) if needs(c, "budget_peak") and c["budget_peak"].max() > 0 else None
