"""Expected values of tests/unit/test_gate_tests.c, by NumPy and SciPy: the paired and the unpaired test of a mean over
clusters, the ratio test of speed. Prints them; nothing here reads the program's output.

    pip install numpy scipy && python3 make_gate.py
"""
import numpy as np
from scipy import stats

A = np.array([10.0, 12.0, 9.0, 14.0, 11.0, 8.0])
B = np.array([11.0, 13.5, 9.5, 16.0, 11.5, 8.5])
W = np.array([100.0, 100.0, 100.0, 120.0, 100.0, 90.0])


def ratio(s, w):
    g, r = len(s), s.sum() / w.sum()
    e = s - r * w
    return r, np.sqrt(g / (g - 1) * (e**2).sum()) / w.sum()


def show(name, d, se, df, margin, tests=1):
    up, down = stats.t.sf((d - margin) / se, df), stats.t.cdf((d - margin) / se, df)
    mde = margin + (stats.t.ppf(1 - 0.05 / tests, df) + stats.t.ppf(0.8, df)) * se
    print(f"{name}: worse {d:.17g} se {se:.17g} df {df:.17g} p_worse {up:.17g} p_not_worse {down:.17g} finds {mde:.17g}")


# a relative margin of 5%: the test is of b - 1.05 a, what is told is b - a
ra = A.sum() / W.sum()
d, se = ratio(B - A, W)
print(f"paired, told: worse {d:.17g} se {se:.17g}")
d, se = ratio(B - 1.05 * A, W)
show("paired", d, se, len(A) - 1, 0.0)
show("paired, one of 3 tests", d, se, len(A) - 1, 0.0, 3)
print(f"  finds, as told: + {0.05 * ra:.17g}")

b, sb = ratio(B, W)
a, sa = ratio(1.05 * A, W)
va, vb = sa**2, sb**2
df = (va + vb) ** 2 / (va**2 / 5 + vb**2 / 5)
show("unpaired", b - a, np.sqrt(va + vb), df, 0.0)

# speed: three runs of the baseline, one new; (value, lo, hi); higher is better
runs = [(0.50, 0.495, 0.505), (0.51, 0.504, 0.515), (0.495, 0.49, 0.501)]
new = (0.42, 0.416, 0.425)
within = lambda r: (np.log(r[2] / r[1]) / (2 * stats.norm.ppf(0.975))) ** 2
logs = np.log([r[0] for r in runs])
d0, s0, k = 8, 0.015, len(runs)
df = d0 + k - 1
s2 = max((d0 * s0**2 + ((logs - logs.mean()) ** 2).sum()) / df, logs.var(ddof=1))
d = logs.mean() - np.log(new[0])
se = np.sqrt(max(s2, within(new)) + max(s2, np.mean([within(r) for r in runs])) / k)
show("ratio", d, se, df, np.log1p(0.04))

# a share of 1 on both sides, fresh inputs: 6 clusters of 20, intra-cluster correlation 0.05
n = 120 / (1 + 19 * 0.05)
p = (n + 2) / (n + 4)
se = np.sqrt(2 * p * (1 - p) / (n + 4))
show("no spread", 0.0, se, 5, 0.005)
