#!/usr/bin/env python3
"""Which error of a format tells its KL: the tables of docs/zoo.md, "Why", from result files of suite why (cells kl, predict, and attribute where
it is there):

    scripts/predictors.py why.h5 [more.h5 ...]

A row a predictor: Spearman's rank correlation with mean KL over formats, its 95% interval from a bootstrap over formats (percentiles of 1999);
of log10 KL = a + b log10 predictor, by least squares: b, and the error that the line makes on a format that it was not fitted to, as a factor
of KL (10 to the root mean square of log10), with the difference of that mean square from SQNR's, paired over formats, and its interval. Formats
without KL or without an error are left out and counted. Needs NumPy, SciPy and h5py."""
import sys

import h5py
import numpy as np
from scipy import stats

NAMES = ("SQNR, all values in one", "SQNR, mean over weights", "relative error", "weighted by inputs", "output of products")
TIMES = 1999
LOGARITHMIC = ("qins", "log-", "mulaw8")  # how their names begin


def ratio(error, signal):
    return np.divide(error, signal, out=np.zeros_like(error), where=error > 0)


def powers(cell):
    """Predictors as error powers, one row each: of the model."""
    get = {name: cell[name][...] for name in cell}
    mean = lambda kind: ratio(get[kind + "error_power"], get[signal[kind]]).mean()
    signal = {"": "signal_power", "weighted_": "weighted_signal_power", "output_": "output_power"}
    return [get["error_power"].sum() / get["signal_power"].sum(), mean(""), get["relative_power"].sum() / get["nonzero_values"].sum(),
            mean("weighted_"), mean("output_")]


def tensor_powers(cell):
    """The same of each weight [predictor, weight]: the first two are one there."""
    get = {name: cell[name][...] for name in cell}
    own = ratio(get["error_power"], get["signal_power"])
    return np.array([own, own, get["relative_power"] / get["nonzero_values"], ratio(get["weighted_error_power"], get["weighted_signal_power"]),
                     ratio(get["output_error_power"], get["output_power"])])


def read(paths):
    """{model: {format: (KL, predictors)}}, {model: {format: (KL of each weight alone, predictors of each)}}, and what was left out."""
    whole, each, left = {}, {}, []
    for path in paths:
        with h5py.File(path) as f:
            for model, variants in f["cells"].items():
                for name, cells in variants.items():
                    if "predict" not in cells or "kl" not in cells or "kl" not in cells["kl"] or "error_power" not in cells["predict"]:
                        continue
                    kl, p = cells["kl/kl"][...].mean(), powers(cells["predict"])
                    if kl > 0 and min(p) > 0:
                        whole.setdefault(model, {})[name] = kl, np.array(p)
                    else:
                        left.append(f"{model}/{name}")
                    if "attribute" in cells and "swap_kl" in cells["attribute"]:
                        at = {t: i for i, t in enumerate(cells["predict/tensor"][...])}
                        order = [at[t] for t in cells["attribute/swap_tensor"][...]]
                        each.setdefault(model, {})[name] = cells["attribute/swap_kl"][...].mean(1), tensor_powers(cells["predict"])[:, order]
    return whole, each, left


def left_out(x, y, ids):
    """Squared residuals of y = a + b x, each format's (all its entries) by the line through the others."""
    out = np.empty(len(x))
    for i in np.unique(ids):
        out[ids == i] = (y[ids == i] - np.polyval(np.polyfit(x[ids != i], y[ids != i], 1), x[ids == i])) ** 2
    return out


def draws(formats, ids):
    """The samples that figure predictors draws (harness/metric/correlation.h): outputs of MT19937 seeded with 0, modulo the number of formats."""
    words = np.random.RandomState(0)._bit_generator
    rows = [np.flatnonzero(ids == i) for i in range(formats)]
    for _ in range(TIMES):
        yield np.concatenate([rows[i] for i in (words.random_raw(int(formats)) % np.uint64(formats)).astype(int)])


def interval(values):
    lo, hi = np.nanpercentile(values, [2.5, 97.5])
    return f"[{lo:.3f}, {hi:.3f}]"


def table(title, kl, x, ids):
    """kl[n], x[predictor, n], ids[n]: the format of each entry."""
    n, y, x = ids.max() + 1, np.log10(kl), np.log10(x)
    residuals = [left_out(row, y, ids) for row in x]
    picks = list(draws(n, ids))
    print(f"\n{title}: {n} formats, {len(kl)} points\n\n| predictor | rank correlation | slope b | error left out, factor | mean square, from SQNR's |\n|---|---|--:|--:|---|")
    for name, row, r in zip(NAMES, x, residuals):
        rho = [stats.spearmanr(row[p], y[p])[0] for p in picks]
        apart = [(r[p] - residuals[0][p]).mean() for p in picks]
        difference = "" if r is residuals[0] else f"{(r - residuals[0]).mean():+.4f} {interval(apart)}"
        print(f"| {name} | {stats.spearmanr(row, y)[0]:.3f} {interval(rho)} | {np.polyfit(row, y, 1)[0]:.2f} | {10 ** np.sqrt(r.mean()):.2f} | {difference} |")


def off_line(title, formats, group):
    """How KL lies to the line through the other formats by SQNR (the mean over weights): as a factor, for each of a group and in the mean of log10."""
    names = list(formats)
    y, x = np.log10([formats[n][0] for n in names]), np.log10([formats[n][1][1] for n in names])
    chosen = np.array([any(n.startswith(g) for g in group) for n in names])
    off = y - np.polyval(np.polyfit(x[~chosen], y[~chosen], 1), x)
    rng = np.random.default_rng(0)
    means = [rng.choice(off[chosen], chosen.sum()).mean() - rng.choice(off[~chosen], (~chosen).sum()).mean() for _ in range(TIMES)]
    lo, hi = 10 ** np.percentile(means, [2.5, 97.5])
    each = ", ".join(f"{n} {10 ** o:.2f}" for n, o, c in zip(names, off, chosen) if c)
    print(f"\n{title}: KL over the line of the {(~chosen).sum()} others: {each}; mean {10 ** off[chosen].mean():.3f} [{lo:.3f}, {hi:.3f}]; the others lie at "
          f"{10 ** off[~chosen].min():.2f} to {10 ** off[~chosen].max():.2f}")


def entries(whole, keep):
    """Of all models in one: a format's entries have its index."""
    names = sorted({f for formats in whole.values() for f in formats})
    rows = [(kl, p, f) for formats in whole.values() for f, (kl, p) in formats.items() if keep(p)]
    used = sorted({f for _, _, f in rows}, key=names.index)
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows]).T, np.array([used.index(r[2]) for r in rows])


def by_weight(model, formats):
    kl, x = (np.array([v[i] for v in formats.values()]) for i in (0, 1))  # [format, weight], [format, predictor, weight]
    good = (kl > 0) & (x > 0).all(1)
    y, lx = np.log10(np.where(good, kl, np.nan)), np.log10(np.where(good[:, None], x, np.nan))
    print(f"\n{model}, each weight encoded alone: {kl.shape[0]} formats, {kl.shape[1]} weights, {(~good).sum()} pairs without KL or error left out\n\n"
          "| predictor | all pairs | a weight's formats, mean | a format's weights, mean |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    picks = [rng.integers(len(kl), size=len(kl)) for _ in range(TIMES)]
    rank = lambda a, b: stats.spearmanr(a, b, nan_policy="omit")[0]
    for k, name in enumerate(NAMES):
        if k == 0:
            continue  # of one weight it is the next one
        within = np.array([rank(lx[i, k], y[i]) for i in range(len(kl))])
        across = [rank(lx[:, k, j], y[:, j]) for j in range(kl.shape[1])]
        pairs = [rank(lx[p, k].ravel(), y[p].ravel()) for p in picks[:499]]
        print(f"| {name.replace(', mean over weights', '')} | {rank(lx[:, k].ravel(), y.ravel()):.3f} {interval(pairs)} | {np.nanmean(across):.3f} | "
              f"{within.mean():.3f} {interval([within[p].mean() for p in picks])} |")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    whole, each, left = read(sys.argv[1:])
    if not whole:
        sys.exit("no model has cells of kl and predict")
    for model, formats in whole.items():
        table(model, *entries({model: formats}, lambda p: True))
        table(f"{model}, SQNR of 35 dB and more", *entries({model: formats}, lambda p: p[1] <= 10 ** -3.5))
        off_line(f"{model}, logarithmic codes", formats, LOGARITHMIC)
    if len(whole) > 1:
        table("all models, one line", *entries(whole, lambda p: True))
    for model, formats in each.items():
        by_weight(model, formats)
    print(f"\nleft out, without KL or error: {', '.join(left) or 'none'}")


if __name__ == "__main__":
    main()
