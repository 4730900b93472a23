"""Metrics of greedy and teacher-forced."""
import itertools
import math

import numpy as np
from second import statistics as st
from second.registry import copied, entry, metric, needs


# ---- greedy: prompts are the clusters, and independent ----


def cycle(tokens):
    """(shortest period whose last three repeats end the sequence, length of the tail of this period), or (0, 0)."""
    for period in range(1, len(tokens) // 3 + 1):
        differs = np.flatnonzero(tokens[period:] != tokens[:-period])
        covered = len(tokens) - (differs[-1] + 1 if len(differs) else 0)
        if covered >= 3 * period:
            return period, covered
    return 0, 0


def degenerate_arm(c, arm):
    tokens, spread = c[arm + "tokens"], c.get(arm + "spread")
    steps = tokens.shape[1]
    few = [steps >= 10 and len(set(t)) <= max(2, steps // 20) for t in tokens]
    if spread is not None:
        uniform = [2 * (s.astype(float) < 1e-3).sum() > steps for s in spread]
    else:  # files of older programs
        uniform = [s.astype(float).mean() < 1e-3 for s in c[arm + "logit_std"]]
    loops = [arm != "" and 4 * cycle(t)[1] >= steps and cycle(t)[0] > 0 for t in tokens]
    return 2 * sum(map(any, zip(few, uniform, loops))) >= len(tokens)


def greedy_void(c):
    return degenerate_arm(c, "") or degenerate_arm(c, "reference_")


def lists_void(c):
    """A list of ten holds all of so small a vocabulary."""
    return c.get("vocabulary", 11) <= 10


def by_prompt(x):
    return np.repeat(np.arange(x.shape[0]), x.shape[1])


def matches(c):
    """What each step earns: less than 1 where equal logits made the choice. Files of older programs: equal is equal."""
    return c["match_share"] if "match_share" in c else (c["tokens"] == c["reference_tokens"]).astype(float)


def match_rate(steps):
    def compute(c):
        same = matches(c)
        if steps and same.shape[1] < steps:
            return None
        same = same[:, : steps or None]
        return st.share(same.ravel(), by_prompt(same))

    return compute


for name, steps in (("match_rate", 0), ("match_rate_10", 10), ("match_rate_500", 500), ("match_rate_1000", 1000)):
    entry("greedy", name, match_rate(steps), identity=100, degenerate=greedy_void)


def overlaps(c):
    return c["top10_share"] if "top10_share" in c else c["overlap10"] / 10


@metric("greedy", "top10_overlap", identity=100, degenerate=lambda c: greedy_void(c) or lists_void(c))
def greedy_overlap(c):
    return st.share(overlaps(c).ravel(), by_prompt(overlaps(c)))


def divergence(c):
    """Steps before the first difference, and whether there is one."""
    differs = matches(c) < 1
    return np.where(differs.any(1), differs.argmax(1), differs.shape[1]), differs.any(1)


def prompts(c):
    return np.arange(len(c["tokens"]))


for name, function in {
    "first_divergence": lambda c: st.median(divergence(c)[0]),
    "first_divergence_min": lambda c: st.exact(divergence(c)[0].min(), len(c["tokens"])),
    "divergence_median": lambda c: st.survival_median(*divergence(c), c["tokens"].shape[1]),
    "divergence_mean": lambda c: st.mean(divergence(c)[0], prompts(c), least=0.0, most=c["tokens"].shape[1]),
}.items():
    entry("greedy", name, function, degenerate=greedy_void)
entry("greedy", "diverged_share", lambda c: st.share(divergence(c)[1], prompts(c)), identity=0, degenerate=greedy_void)


def survival(steps):
    return lambda c: st.share(divergence(c)[0] >= steps, prompts(c)) if c["tokens"].shape[1] >= steps else None


for steps in (25, 50, 100):
    entry("greedy", f"survival_{steps}", survival(steps), identity=100, degenerate=greedy_void)


def unique(arm):
    return lambda c: st.median([len(set(t)) for t in c[arm]])


def cycle_length(arm):
    def compute(c):
        lengths = [p for p in (cycle(t)[0] for t in c[arm]) if p > 0]
        out = st.median(lengths) if lengths else st.exact(0)
        out.n = len(c[arm])
        return out

    return compute


@metric("greedy", "reference_prompt_echo")
def reference_prompt_echo(c):
    """Of the reference's tokens, those that are its prompt's last one again."""
    echoes = c["reference_tokens"] == c["prompt"][:, -1:]
    return st.exact(100 * echoes.sum() / echoes.size, echoes.size)


def over_steps(array):
    return lambda c: st.quantile(c[array].ravel(), by_prompt(c[array]), 0.5) if needs(c, array) else None


for prefix in ("", "reference_"):
    entry("greedy", prefix + "unique_tokens", unique(prefix + "tokens"))
    entry("greedy", prefix + "cycle_length", cycle_length(prefix + "tokens"))
    entry("greedy", prefix + "margin_median", over_steps(prefix + "margin"))
    entry("greedy", prefix + "logit_std", over_steps(prefix + "logit_std"))


# ---- teacher-forced: positions in chunks of text ----


def uniform_void(c):
    """Nearly uniform distributions of either arm; files of older programs have the reference's std over all of the vocabulary."""
    spreads = ("spread", "reference_spread") if "reference_spread" in c else ("logit_std",)
    return any(2 * (c[name] < np.float32(1e-3)).sum() > c[name].size for name in spreads)


def chunk_share(hits):
    """Where nothing spreads, an intra-chunk correlation of 0.05 is assumed. None where no position qualifies."""
    def compute(c):
        x, kept = hits(c)
        return st.share(x[kept], c["chunk"][kept], icc=0.05)

    return compute


def everywhere(c):
    return np.ones(len(c["chunk"]), bool)


def right(c, arm):
    return c[arm] == c["target"]


def has_target(c):
    return c["target"] >= 0


def chances(c):
    """(ours, theirs, both): chances that the arms' first tokens are right. Arms that agree in full are right together."""
    if "hit" in c:
        ours, theirs = c["hit"], c["reference_hit"]
        return ours, theirs, np.where(c["top1_share"] == 1, ours, ours * theirs)
    ours, theirs = (right(c, arm).astype(float) for arm in ("top_token", "reference_top_token"))
    return ours, theirs, ours * theirs


def outcomes(combine):
    return lambda c: (combine(*chances(c)), has_target(c))


def top1(c):
    return c["top1_share"] if "top1_share" in c else c["top1"].astype(float)


for name, identity, function, facts in (
    ("top1_agreement", 100, lambda c: (top1(c), everywhere(c)), {"degenerate": uniform_void}),
    ("top10_overlap", 100, lambda c: (overlaps(c), everywhere(c)), {"degenerate": lambda c: uniform_void(c) or lists_void(c)}),
    ("accuracy", None, outcomes(lambda ours, theirs, both: ours), {}),
    ("reference_accuracy", None, outcomes(lambda ours, theirs, both: theirs), {}),
    ("flips", 0, outcomes(lambda ours, theirs, both: ours - both + theirs - both), {"degenerate": uniform_void}),
    ("flips_to_wrong", 0, outcomes(lambda ours, theirs, both: theirs - both), {"degenerate": uniform_void}),
    ("flips_to_right", 0, outcomes(lambda ours, theirs, both: ours - both), {"degenerate": uniform_void}),
):
    entry("teacher-forced", name, chunk_share(function), identity=identity, **facts)


def accuracy_change(c):
    """Mean over positions with a target of right less the reference's right, in points."""
    ours, theirs, _ = chances(c)
    kept = has_target(c)
    return st.mean((ours - theirs)[kept], c["chunk"][kept], told=st.percent)


entry("teacher-forced", "accuracy_change", accuracy_change, degenerate=uniform_void)


def kl_where(low, high):
    def compute(c):
        p = c["reference_top_p"].astype(float)
        kept = (p >= low) & (p < high)
        return st.mean(c["kl"][kept], c["chunk"][kept], least=0.0, identity=0.0)

    return compute


def kl_or_identical(function):
    def compute(c):
        if not c["kl"].any():
            return st.Estimate(0.0, 0.0, 0.0, len(c["kl"]), "identity")
        return function(c)

    return compute


def kl_cvar95(c):
    """The mean of the worst 5% of positions, a broken position counting in part. Interval: of the mean of q + max(kl - q, 0) / 0.05,
    which is the same number (Rockafellar and Uryasev 2000), q the least KL with 95% of the positions up to it."""
    worst = np.sort(c["kl"])[::-1]
    size = 0.05 * len(worst)
    weights = np.clip(size - np.arange(len(worst)), 0, 1)
    q = worst[len(worst) // 20]
    out = st.mean(q + np.maximum(c["kl"] - q, 0) / 0.05, c["chunk"], least=0.0, identity=0.0)
    out.value = math.fsum(worst * weights) / size
    return out


for name, function in {
    "kl_mean": lambda c: st.mean(c["kl"], c["chunk"], least=0.0, identity=0.0),
    "kl_median": kl_or_identical(lambda c: st.quantile(c["kl"], c["chunk"], 0.5)),
    "kl_p99": kl_or_identical(lambda c: st.quantile(c["kl"], c["chunk"], 0.99)),
    "kl_cvar95": kl_or_identical(kl_cvar95),
    "kl_max": kl_or_identical(lambda c: st.exact(c["kl"].max(), len(c["kl"]))),
    "kl_p_under_25": kl_where(-math.inf, 0.25),
    "kl_p_25_50": kl_where(0.25, 0.5),
    "kl_p_50_75": kl_where(0.5, 0.75),
    "kl_p_75_90": kl_where(0.75, 0.9),
    "kl_p_over_90": kl_where(0.9, math.inf),
}.items():
    entry("teacher-forced", name, function, identity=0, degenerate=uniform_void)


def possible(c):
    """Has the position a target that the reference gives a probability? NaN stays, for the value to say so."""
    with np.errstate(under="ignore"):
        return has_target(c) & ~(np.exp(-c["reference_nll"]) == 0)


def perplexity(nll, **kind):
    """exp of a mean over the positions that have a target which the reference gives a probability."""
    def compute(c):
        kept = possible(c)
        if not kept.any():
            return None
        return st.mean(nll(c)[kept], c["chunk"][kept], told=st.exponential, **kind)

    return compute


entry("teacher-forced", "perplexity", perplexity(lambda c: c["nll"], least=0.0))
entry("teacher-forced", "reference_perplexity", perplexity(lambda c: c["reference_nll"], least=0.0))
entry("teacher-forced", "perplexity_ratio", perplexity(lambda c: c["nll"] - c["reference_nll"], identity=1.0), identity=1,
      degenerate=uniform_void)
entry("teacher-forced", "max_logit_diff", lambda c: st.exact(c["max_logit_diff"].max(), len(c["max_logit_diff"])), identity=0)
entry("teacher-forced", "reference_margin_median", lambda c: st.quantile(c["margin"], c["chunk"], 0.5))
entry("teacher-forced", "reference_logit_std", lambda c: st.quantile(c["logit_std"], c["chunk"], 0.5))
for experiment, name in itertools.product(("greedy", "teacher-forced"), ("alpha", "alpha_raw", "calibration_overlap")):
    entry(experiment, name, copied(name))
