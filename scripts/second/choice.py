"""Metrics of choice: which choice each arm takes, by the rules of lm-evaluation-harness, and whether it is right."""
import functools
import math

import numpy as np
from scipy import stats
from second import statistics as st
from second.registry import entry

LENGTHS = {"acc": None, "acc_norm": "choice_characters", "acc_bytes": "choice_bytes", "acc_token": "choice_tokens"}


def per_item(c, x):
    return np.split(x, st.runs(c["choice_item"])[1:])


def taken(c, arm, rule):
    scores = c[arm] if LENGTHS[rule] is None else c[arm] / c[LENGTHS[rule]]
    return np.array([np.argmax(s) for s in per_item(c, scores)])


def right(c, arm, rule):
    return (taken(c, arm, rule) == c["item_answer"]).astype(float)


def clusters(c):
    """Subjects, or where there is but one the items."""
    many = len(st.runs(c["item_subject"])) > 1
    return c["item_subject"] if many else np.arange(len(c["item_answer"]))


def share(x):
    def compute(c):
        return st.share(x(c), clusters(c), icc=0.05)

    return compute


def flipped(c, rule, to_right):
    ours, theirs = right(c, "sum", rule), right(c, "reference_sum", rule)
    return ours * (1 - theirs) if to_right else theirs * (1 - ours)


def flips(c, rule):
    return flipped(c, rule, True) + flipped(c, rule, False)


def chance(c):
    return 100 * math.fsum(1 / len(x) for x in per_item(c, c["sum"])) / len(c["item_answer"])


def under_chance(rule):
    def void(c):
        e = share(lambda c: right(c, "sum", rule))(c)
        return e.hi < chance(c)

    return void


def change(rule):
    return lambda c: st.mean(right(c, "sum", rule) - right(c, "reference_sum", rule), clusters(c), told=st.percent, scale=100.0)


def mcnemar(rule):
    def compute(c):
        b, k = int(flipped(c, rule, True).sum()), int(flips(c, rule).sum())
        return st.exact(min(1, 2 * stats.binom.cdf(min(b, k - b), k, 0.5)), len(c["item_answer"]))

    return compute


@functools.cache
def critical(n):
    """For m = 0 .. n discordant pairs the largest k that is significant against m - k at 5%; -1: none."""
    m = np.arange(n + 1)
    k = stats.binom.ppf(0.025, m, 0.5)
    k[0] = 0
    return np.where(2 * stats.binom.cdf(k, m, 0.5) <= 0.05, k, k - 1)


def power(n, share_flipped, delta):
    flips_then = min(1.0, max(share_flipped, delta))
    m, k = np.arange(n + 1), critical(n)
    p = min(1.0, (flips_then + delta) / (2 * flips_then))
    found = np.where(k >= 0, stats.binom.cdf(k, m, p) + stats.binom.sf(m - k - 1, m, p), 0)
    return math.fsum(stats.binom.pmf(m, n, flips_then) * found)


@functools.cache
def detectable(n, flips_seen):
    low, high = 0.0, 1.0
    if power(n, flips_seen / n, high) < 0.8:
        return None
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if power(n, flips_seen / n, middle) >= 0.8 else (middle, high)
    return high


def mde(rule):
    def compute(c):
        n = len(c["item_answer"])
        found = detectable(n, int(flips(c, rule).sum()))
        return None if found is None else st.exact(100 * found, n)

    return compute


def wilson(rule):
    def compute(c):
        x = right(c, "sum", rule)
        lo, hi = st.wilson(x.mean(), len(x), stats.norm.ppf(0.975))
        return st.Estimate(100 * math.fsum(x) / len(x), 100 * lo, 100 * hi, len(x), "wilson of items")

    return compute


def by_task(c):
    tasks = st.runs(c["item_task"])
    if len(tasks) < 2:
        return None
    size = np.diff(np.r_[tasks, len(c["item_task"])])
    weight = np.repeat(1 / size, size)
    x = right(c, "sum", "acc")
    return st.ratio(st.totals(x * weight, clusters(c)), st.totals(weight, clusters(c)), len(x), share=True, icc=0.05, told=st.percent)


def favoured(c):
    """(items in whose prompt the right choice stands most often, alone; items where a wrong one does)"""
    right_ones = wrong = 0
    for seen, answer in zip(per_item(c, c["choice_occurrences"]), c["item_answer"]):
        if (seen == seen.max()).sum() == 1:
            right_ones += seen.argmax() == answer
            wrong += seen.argmax() != answer
    return int(right_ones), int(wrong)


def leaked(c):
    ours, wrong = favoured(c)
    return stats.binom.sf(ours - 1, ours + wrong, chance(c) / 100) < 1e-6 if ours else False


def counted(function):
    return lambda c: st.exact(function(c), len(c["item_answer"]))


for rule in LENGTHS:
    entry("choice", rule, share(lambda c, rule=rule: right(c, "sum", rule)), degenerate=under_chance(rule))
for rule, word in (("acc", ""), ("acc_norm", "_norm")):
    entry("choice", rule + "_change", change(rule))
    entry("choice", "mcnemar_p" + word, mcnemar(rule))
    entry("choice", "mde" + word, mde(rule))
    entry("choice", rule + "_wilson", wilson(rule))
    entry("choice", "reference_" + rule, share(lambda c, rule=rule: right(c, "reference_sum", rule)))
    for way in (True, False):
        entry("choice", f"flips{word}_to_{'right' if way else 'wrong'}", share(lambda c, rule=rule, way=way: flipped(c, rule, way)), identity=0)
entry("choice", "flips", share(lambda c: flips(c, "acc")), identity=0)
entry("choice", "answers_changed", share(lambda c: taken(c, "sum", "acc") != taken(c, "reference_sum", "acc")), identity=0)
entry("choice", "acc_tasks", by_task)
entry("choice", "max_sum_diff", lambda c: st.exact(np.abs(c["sum"] - c["reference_sum"]).max(), len(c["sum"])), identity=0)
entry("choice", "chance", counted(chance))
entry("choice", "items", counted(lambda c: len(c["item_answer"])))
entry("choice", "answer_in_prompt", counted(lambda c: 100 * favoured(c)[0] / len(c["item_answer"])), contaminated=leaked)
