"""Metrics of attribute: a factorial over the variant's parts, and tensors one at a time."""
import itertools
import math

import numpy as np
from second import statistics as st
from second.registry import entry, metric, needs

PARTS = ("storage", "domain", "scale", "alpha", "fp16")


def factorial(c):
    """Its parts, and v: KL by position with a set of parts on."""
    sets = [frozenset() if t == b"none" else frozenset(t.decode().split("+")) for t in c["combination"]]
    return [p for p in PARTS if any(p in s for s in sets)], dict(zip(sets, c["kl"]))


def effect(combine, *wanted, **bound):
    """combine(parts, wanted) -> [(coefficient, set)]; the effect is the mean of sum coefficient * v(set)."""
    def compute(c):
        if not needs(c, "combination"):
            return None
        parts, v = factorial(c)
        terms = combine(parts, wanted) if set(wanted) <= set(parts) else None
        if not terms:
            return None
        x = st.totals(sum(k * v[s] for k, s in terms), c["chunk"])
        scale = math.fsum(abs(k) * v[s].mean() for k, s in terms)
        return st.ratio(x, st.totals(np.ones(len(c["chunk"])), c["chunk"]), len(c["chunk"]), identity=0.0, scale=scale,
                        **bound)

    return compute


def subsets(s):
    return [frozenset(t) for k in range(len(s) + 1) for t in itertools.combinations(sorted(s), k)]


def moebius(s):
    """What the set costs beyond its proper subsets (Rota 1964)."""
    return [((-1.0) ** (len(s) - len(t)), t) for t in subsets(s)]


def total(parts, _):
    return [(1.0, frozenset(parts)), (-1.0, frozenset())]


def higher(parts, _):
    """All but nothing, single parts and pairs: v(all) - v(none) less their effects."""
    if len(parts) < 3:
        return None
    terms = total(parts, _)
    for k in (1, 2):
        for s in itertools.combinations(parts, k):
            terms += [(-f, t) for f, t in moebius(frozenset(s))]
    return terms


def shapley(parts, wanted):
    """Mean marginal cost over all orders of switching parts on (Shapley 1953)."""
    orders = list(itertools.permutations(parts))
    before = [frozenset(order[: order.index(wanted[0])]) for order in orders]
    return [term for s in set(before) for k in [before.count(s) / len(orders)] for term in ((k, s | {wanted[0]}), (-k, s))]


entry("attribute", "total_kl", effect(total, least=0.0), identity=0, tolerance=1e-13)
entry("attribute", "interactions_higher", effect(higher), identity=0, tolerance=1e-13)
for part in PARTS:
    entry("attribute", f"alone_{part}", effect(lambda _, w: moebius(frozenset(w)), part, least=0.0), identity=0, tolerance=1e-13)
    entry("attribute", f"shapley_{part}", effect(shapley, part), identity=0, tolerance=1e-13)
for pair in itertools.combinations(PARTS, 2):
    entry("attribute", "interaction_%s_%s" % pair, effect(lambda _, w: moebius(frozenset(w)), *pair), identity=0, tolerance=1e-13)


def of_sums(above, below, c, **kind):
    """A ratio of two sums over positions; chunks in which `below` is 0 drop out."""
    s, w = st.totals(above, c["chunk"]), st.totals(below, c["chunk"])
    return st.ratio(s[w != 0], w[w != 0], len(c["chunk"]), least=0.0, **kind) if w.any() else None


@metric("attribute", "tensor_additivity_ratio")
def tensor_additivity_ratio(c):
    return of_sums(c["swap_kl"].sum(0), c["all_kl"], c) if needs(c, "swap_kl", "all_kl") else None


@metric("attribute", "largest_tensor_share")
def largest_tensor_share(c):
    """No share is above the whole: neither is its interval."""
    if not needs(c, "swap_kl"):
        return None
    costliest = c["swap_kl"][c["swap_kl"].mean(1).argmax()]
    return of_sums(costliest, c["swap_kl"].sum(0), c, most=1.0, told=st.percent)
