"""Metrics of recall: which passages an arm writes again without an error, of those that the reference recalls at all."""
import numpy as np
from scipy import stats
from second import statistics as st
from second.registry import entry


def right(c, arm):
    return (c[arm] == c["target"]).all(axis=1).astype(float)


def of(c, length):
    return c["length"] == length if length else np.full(len(c["length"]), True)


def nothing(c, length):
    """No such item, or none that the reference recalls."""
    return right(c, "reference_tokens")[of(c, length)].sum() == 0


def few(length):
    def degenerate(c):
        x = right(c, "reference_tokens")[of(c, length)]
        return 2 * x.sum() < len(x) and not nothing(c, length)

    return degenerate


def told(x, length=None, difference=False):
    def compute(c):
        if nothing(c, length):
            return None
        keep = of(c, length)
        if difference:
            return st.mean(x(c)[keep], c["chunk"][keep], told=st.percent, scale=100.0)
        return st.share(x(c)[keep], c["chunk"][keep], icc=0.05)

    return compute


def ours(c):
    return right(c, "tokens")


def theirs(c):
    return right(c, "reference_tokens")


def reference(length=None):
    return lambda c: st.share(theirs(c)[of(c, length)], c["chunk"][of(c, length)], icc=0.05) if of(c, length).any() else None


def alike(a, b):
    return lambda c: st.share((c[a] == c[b]).mean(axis=1), c["chunk"], icc=0.05)


def mcnemar(c):
    if nothing(c, None):
        return None
    wrong, right_ones = int((theirs(c) * (1 - ours(c))).sum()), int((ours(c) * (1 - theirs(c))).sum())
    return st.exact(min(1, 2 * stats.binom.cdf(min(wrong, right_ones), wrong + right_ones, 0.5)), len(c["length"]))


for word, length in (("", None), ("_512", 512), ("_2k", 2048), ("_8k", 8192)):
    entry("recall", "recall" + word, told(ours, length), degenerate=few(length))
    entry("recall", "reference_recall" + word, reference(length))
entry("recall", "recall_change", told(lambda c: ours(c) - theirs(c), difference=True), degenerate=few(None))
entry("recall", "flips_to_wrong", told(lambda c: theirs(c) * (1 - ours(c))), identity=0, degenerate=few(None))
entry("recall", "flips_to_right", told(lambda c: ours(c) * (1 - theirs(c))), identity=0, degenerate=few(None))
entry("recall", "mcnemar_p", mcnemar)
entry("recall", "token_match", alike("tokens", "reference_tokens"), identity=100)
entry("recall", "token_accuracy", alike("tokens", "target"))
entry("recall", "reference_token_accuracy", alike("reference_tokens", "target"))
entry("recall", "items", lambda c: st.exact(len(c["length"]), len(c["length"])))
