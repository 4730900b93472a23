#!/usr/bin/env python3
"""Products on logarithms (path domain-exact) and weight transport (path transport), in NumPy. Writes domain.json.

Nothing of the product is used. Sums of table entries are Python's integers; all else is float64, but for what a format defines as float32.

operators: one matrix W (12 x 40) and inputs x (4 positions; zeros, a ReLU's, one of one magnitude alone), and a point x0.
  added      per fraction: step, bits, table (some entries), y = W X 2^-B sum of table entries
  decoded    the same codes, each decoded, products summed by math.fsum
  decode     sum of decode(W) x by math.fsum, and sum |decode(W) x|: what path decode would give in exact sums
  transport  y of M_W formed literally, row by row: W (rows x cols) times diag(J_E^-1). J_E is taken by finite differences of the encoder
             without its rounding (central, float64), and is checked here against the formula and against those of the decoder. The tangent
             is checked to be exact to first order: halving the distance from x0 quarters its error.
model: kjv-transformer, 64 positions of held-out text, KL by the operators above put into source_protocol's forward pass. Transport in the
  first product alone (layers.0.attn.qkv): in all of them a change of the inputs by 1e-7 moves the KL of single positions by factors, for a
  token's least magnitude sets its range and is what each of its zeros decodes to.
"""
import json
import math
import pathlib

import numpy as np
import tokenizers
import torch
import torch.nn.functional as F

import source_protocol as sp

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def log32(x):
    return np.log(x.astype(np.float64)).astype(np.float32)


def qins(x):
    """x of one range -> stored, log_min, log_max (float32 arithmetic in the order that the format has)."""
    magnitude = np.abs(x).astype(np.float32)
    above = magnitude > np.float32(1e-8)
    logs = log32(np.maximum(magnitude, np.float32(1e-8)))
    if not above.any():
        return np.full(x.shape, 128), np.float32(-10), np.float32(0)
    low, high = logs[above].min(), logs[above].max()
    width = np.float32(np.float64(high) - np.float64(low))
    if width == 0:
        return np.full(x.shape, 128), low, high
    n = np.clip((logs - low) / width, np.float32(0), np.float32(1))
    return np.clip(np.rint(np.float32(255) - n * np.float32(254)), 1, 255).astype(int), low, high


def magnitudes(stored, low, high):
    """Decoded magnitudes, float32."""
    n = (np.float32(255) - np.asarray(stored, np.float32)) / np.float32(254)
    l = low + n * np.float32(np.float64(high) - np.float64(low))
    return np.exp(l.astype(np.float64)).astype(np.float32)


def signs(x):
    return np.where(x < 0, -1, 1)


# --- logarithms ---

class Logs:
    """W's codes, the grid, the table."""

    def __init__(self, w, fraction):
        stored, low, high = qins(w)
        of_codes = magnitudes(np.arange(1, 256), low, high).astype(np.float64)
        self.most, self.cols = of_codes.max(), w.shape[1]
        d = math.log(of_codes.max() / of_codes.min()) / 254
        self.step = d / 2**fraction
        self.bits = 62 - math.ceil(math.log2(self.cols))
        self.end = math.ceil((self.bits + 1) * math.log(2) / self.step)
        self.t, self.sign = np.minimum((stored - 1) * 2**fraction, self.end), signs(w)
        self.decoded = magnitudes(stored, low, high).astype(np.float64) * self.sign
        entries = np.rint(np.ldexp(np.exp(-np.arange(self.end) * self.step), self.bits))
        self.table = np.concatenate([entries.astype(np.int64), np.zeros(self.end + 1, np.int64)])

    def code(self, x):
        x = np.asarray(x, np.float64)
        most = np.abs(x).max()
        with np.errstate(divide="ignore"):
            t = np.rint(np.log(most / np.abs(x)) / self.step)
        return np.minimum(t, self.end).astype(int), np.where(x < 0, -1, 1), most

    def added(self, x):
        """One position; sums of Python's integers."""
        t, s, most = self.code(x)
        return [float(self.most * most * math.ldexp(sum(int(v) for v in self.table[row + t] * (rs * s)), -self.bits))
                for row, rs in zip(self.t, self.sign)]

    def numbers(self, t):
        return np.where(t < self.end, np.exp(-t * self.step), 0.0)

    def multiplied(self, x):
        t, s, most = self.code(x)
        return [float(self.most * most * math.fsum(self.numbers(row) * rs * self.numbers(t) * s))
                for row, rs in zip(self.t, self.sign)]

    def many(self, x):
        """(n, cols) -> (n, rows), int64 sums."""
        out = np.empty((len(x), len(self.t)))
        for i, row in enumerate(x):
            t, s, most = self.code(row)
            out[i] = self.most * most * np.ldexp((self.table[self.t + t] * (self.sign * s)).sum(1).astype(np.float64), -self.bits)
        return out


# --- transport ---

def encoder(low, high):
    """E without its rounding: x -> sign * stored / 255, a smooth function of x away from 0."""
    return lambda x: np.sign(x) * (255 - 254 * (np.log(np.abs(x)) - low) / (high - low)) / 255


def decoder(low, high):
    return lambda c: np.sign(c) * np.exp(low + (255 - 255 * np.abs(c)) / 254 * (high - low))


def difference(f, x):
    """df/dx of a function of each entry by itself, central."""
    h = 1e-5 * np.abs(x)
    return (f(x + h) - f(x - h)) / (2 * h)


def jacobian(low, high, x):
    """J_E at x by finite differences; checked against the formula and the decoder's."""
    j = difference(encoder(low, high), x)
    assert np.allclose(j, -254 / (255 * (high - low) * np.abs(x)), rtol=1e-7)
    c = encoder(low, high)(x)
    inside = c * np.sign(x) > 0.01  # a point beyond the range has no code
    assert np.allclose(1 / j[inside], difference(decoder(low, high), c[inside]), rtol=1e-6)
    return j


def transported(w, x, x0, linear):
    """y of one position. x0: the mean point, or None: the position's own."""
    w, x = w.astype(np.float64), x.astype(np.float32)
    stored, low, high = qins(x)
    low, high = float(low), float(high)
    s = signs(x)
    c = s * stored / 255
    own = s * magnitudes(stored, np.float32(low), np.float32(high)).astype(np.float64)
    point = own if x0 is None else x0.astype(np.float64)
    if (stored == stored[0]).all():  # one code: no line through the codes, and the inverse of E's derivative is taken as 0
        return w @ (np.zeros_like(point) if linear else point)
    live = point != 0
    inverse, there = np.zeros_like(point), np.zeros_like(point)
    inverse[live] = 1 / jacobian(low, high, point[live])
    there[live] = encoder(low, high)(point[live])
    m_w = w * inverse  # W J_E^-1, formed
    return m_w @ c if linear else w @ point + m_w @ (c - there)


def check_first_order(w, x0, rng):
    """The tangent's error falls with the square of the distance."""
    low, high = math.log(np.abs(x0).min() / 2), math.log(np.abs(x0).max() * 2)
    e, v, errors = encoder(low, high), rng.standard_normal(len(x0)) * np.abs(x0), []
    m_w = w / jacobian(low, high, x0)
    for distance in (0.02, 0.01, 0.005):
        x = x0 + distance * v
        errors.append(np.abs(w @ x0 + m_w @ (e(x) - e(x0)) - w @ x).max())
    ratios = np.array(errors[:-1]) / errors[1:]
    assert (np.abs(ratios - 4) < 0.3).all(), ratios
    return errors


# --- cases ---

def operators():
    rng = np.random.default_rng(14)
    w = (rng.standard_normal((12, 40)) * 0.05).astype(np.float32)
    x = rng.standard_normal((4, 40)).astype(np.float32)
    x[1] = np.maximum(x[1], 0)
    x[2] *= np.float32(1e-4)
    x[2, 7] = 3
    x[3] = np.where(x[3] < 0, np.float32(-0.75), np.float32(0.75))
    x0 = (rng.standard_normal(40) * 0.3).astype(np.float32)
    x0[5] = 0
    case = {"rows": 12, "cols": 40, "n": 4, "w": w.ravel().tolist(), "x": x.ravel().tolist(), "x0": x0.tolist(),
            "first_order_errors": check_first_order(w.astype(np.float64), np.where(x0 == 0, 0.1, x0).astype(np.float64), rng), "added": []}
    for fraction in (0, 3, 8):
        logs = Logs(w, fraction)
        picked = [0, 1, 2, 100, logs.end - 1, logs.end]
        case["added"].append({"fraction": fraction, "step": logs.step, "bits": logs.bits, "end": logs.end, "entries": picked,
                              "table": [int(logs.table[i]) for i in picked], "y": [v for row in x for v in logs.added(row)],
                              "decoded": [v for row in x for v in logs.multiplied(row)]})
    terms = [logs.decoded * row.astype(np.float64) for row in x]
    case["decode"] = [math.fsum(r) for t in terms for r in t]
    case["decode_absolute"] = [math.fsum(np.abs(r)) for t in terms for r in t]
    case["transport"] = {f"{p}_{f}": [float(v) for row in x for v in transported(w, row, x0 if p == "mean" else None, f == "linear")]
                         for p in ("position", "mean") for f in ("tangent", "linear")}
    return case


def model_case():
    model = sp.file_model(ROOT / "data/models/kjv-transformer.safetensors")
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / "data/models/kjv.tokenizer.json"))
    ids = lambda name: torch.tensor(tokenizer.encode((ROOT / "data/corpus" / name).read_text()).ids)
    tokens, contexts = ids("kjv.heldout")[:64], ids("kjv.calibration")[:1000].view(50, 20)
    reference = sp.logits_of(model, sp.final_hidden(model, tokens))
    points = {where: x[:100].double().mean(0).numpy().astype(np.float32) for where, x in sp.layer_inputs(model, contexts[:5]).items()}
    made = {}

    def logs(fraction):
        def apply(where, x, w, b):
            if where == "head":
                return F.linear(x, w, b)
            key = where, fraction
            if key not in made:
                made[key] = Logs(w.numpy(), fraction)
            return torch.from_numpy(made[key].many(x.numpy()).astype(np.float32)) + b
        return apply

    def transport(mean, linear):
        def apply(where, x, w, b):
            if where != (0, 0):
                return F.linear(x, w, b)
            y = np.stack([transported(w.numpy(), row, points[where] if mean else None, linear) for row in x.numpy()])
            return torch.from_numpy(y.astype(np.float32)) + b
        return apply

    case = {"tokens": tokens.tolist(), "variants": {}}
    for name, apply in {"domain-exact": logs(0), "domain-exact-4": logs(4), "transport": transport(False, True),
                        "transport-tangent": transport(False, False), "transport-mean": transport(True, False)}.items():
        kl = sp.kl_exact(reference, sp.logits_of(model, sp.final_hidden(model, tokens, apply)))
        case["variants"][name] = {"kl_mean": kl.mean().item(), "kl_first": kl[:8].tolist()}
        print(name, case["variants"][name])
    return case


def main():
    result = {"origin": sp.origin("make_domain.py", f"tokenizers {tokenizers.__version__}"), "operators": operators(), "model": model_case()}
    (HERE / "domain.json").write_text(json.dumps(result).replace('"added": [', '\n"added": [').replace('"model"', '\n"model"') + "\n")


if __name__ == "__main__":
    main()
