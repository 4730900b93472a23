#!/usr/bin/env python3
"""Attention over a cache of keys and values in float64 NumPy: attention.json. The plain definition, one query at a time, over whole
score rows: no tiles, no steps, no ring. Formats are written down again here, from codec-zoo.md and the plugins' READMEs.

Inputs are numbers(seed) of a hash, so that only results are stored: of each case every row named in "rows", all heads.
Needs numpy. A rotated value may be rounded elsewhere by a last bit; seeds are such that none lies that near to where two codes meet."""
import json
import pathlib

import numpy

HERE = pathlib.Path(__file__).resolve().parent
F = numpy.float32
NEAREST = 4e-5  # of a code's step, that a rotated value keeps away from where two codes meet


def numbers(seed, *shape):
    """Of [-0.5, 0.5), the same on every machine: a hash of the index in 32 bits, its upper 24 as a fraction (golden_numbers.h)."""
    with numpy.errstate(over="ignore"):
        h = numpy.arange(int(numpy.prod(shape)), dtype=numpy.uint32) + numpy.uint32(seed) * numpy.uint32(1000003)
        h *= numpy.uint32(2654435769)
        h ^= h >> numpy.uint32(15)
        h *= numpy.uint32(2246822519)
        h ^= h >> numpy.uint32(13)
    return ((h >> numpy.uint32(8)).astype(numpy.float64) / 2**24 - 0.5).astype(F).reshape(shape)


# ---- formats: x[rows, width] float32 -> what decodes, and how near a value is to where two codes meet ----

def away(t):
    """Distance of each t, in codes, from the half-way points between integers."""
    return float(numpy.abs(numpy.abs(t - numpy.trunc(t)) - 0.5).min())


def fp32(x):
    return x, 1.0


def fp16(x):
    return x.astype(numpy.float16).astype(F), 1.0


def int8_row(x):
    scale = (numpy.abs(x).max(1, keepdims=True) / F(127)).astype(F)
    t = (x / scale).astype(F)
    return (numpy.clip(numpy.rint(t), -127, 127).astype(F) * scale).astype(F), away(t)


def q8_0(x):
    b = x.reshape(-1, 32)
    d = (numpy.abs(b).max(1, keepdims=True) / F(127)).astype(F)
    t = (b * (F(1) / d)).astype(F)
    codes = (numpy.sign(t) * numpy.floor(numpy.abs(t) + F(0.5))).astype(F)
    return (codes * d.astype(numpy.float16).astype(F)).astype(F).reshape(x.shape), away(t)


def q4_0(x):
    b = x.reshape(-1, 32)
    m = numpy.take_along_axis(b, numpy.abs(b).argmax(1)[:, None], 1)
    d = (m / F(-8)).astype(F)
    t = ((b * (F(1) / d)).astype(F) + F(8.5)).astype(F)
    codes = numpy.minimum(15, numpy.trunc(t)).astype(F)
    return ((codes - F(8)) * d.astype(numpy.float16).astype(F)).astype(F).reshape(x.shape), away(t - F(0.5))


def qins8_row(x):
    magnitude = numpy.abs(x)
    logs = numpy.log(numpy.maximum(magnitude, F(1e-30)).astype(numpy.float64)).astype(F)
    counted = magnitude > F(1e-8)
    low = numpy.where(counted, logs, F(numpy.inf)).min(1, keepdims=True)
    high = numpy.where(counted, logs, F(-numpy.inf)).max(1, keepdims=True)
    n = ((logs - low) / (high - low)).astype(F)
    t = (F(255) - F(254) * n).astype(F)
    stored = numpy.where(counted, numpy.clip(numpy.rint(t), 1, 255), 255).astype(F)
    back = ((F(255) - stored) / F(254)).astype(F)
    value = numpy.exp((low + back * (high - low)).astype(F).astype(numpy.float64)).astype(F)
    return numpy.where(x < 0, -value, value).astype(F), away(t)


FORMATS = {"fp32": fp32, "fp16": fp16, "int8": int8_row, "q8_0": q8_0, "q4_0": q4_0, "qins8": qins8_row}


# ---- what is kept ----

def sylvester(width):
    """The Hadamard matrix of the largest power of two that divides the width, along the diagonal, over its root."""
    size = width & -width
    h = numpy.ones((1, 1))
    while h.shape[0] < size:
        h = numpy.block([[h, h], [h, -h]])
    return numpy.kron(numpy.eye(width // size), h / numpy.sqrt(size))


def kept(case, side, x):
    """x[n, heads, dim] as float64 after its whole blocks were encoded; what is behind the last is as it was."""
    n, heads, dim = x.shape
    block, name = case["block"], case["formats"][side]
    turn = sylvester(dim) if case["rotate"] else numpy.eye(dim)
    out, nearest = x.astype(numpy.float64), 1.0
    for at in range(0, n - block + 1, block):
        rows = x[at:at + block].transpose(1, 0, 2).reshape(heads * block, dim)
        turned = (rows.astype(numpy.float64) @ turn).astype(F) if case["rotate"] else rows
        decoded, near = FORMATS[name](turned)
        nearest = min(nearest, near)
        out[at:at + block] = (decoded.astype(numpy.float64) @ turn.T).reshape(heads, block, dim).transpose(1, 0, 2)
    return out, nearest


def attend(case, seed):
    n, heads, kv_heads, dim = case["n"], case["heads"], case["kv_heads"], case["dim"]
    q = numbers(seed, n, heads, dim) * F(4)
    sides = [numbers(seed + 1 + i, n, kv_heads, dim) * F(4) for i in range(2)]
    stored, nearest = zip(*(kept(case, i, sides[i]) for i in range(2)))
    out = []
    for p in case["rows"]:
        full = (p + 1) // case["block"] * case["block"]  # a query sees what was encoded once its own position was there
        k, v = (numpy.concatenate([stored[i][:full], sides[i][full:p + 1].astype(numpy.float64)]) for i in range(2))
        first = max(0, p + 1 - case["window"]) if case["window"] else 0
        for h in range(heads):
            g = h // (heads // kv_heads)
            s = k[first:, g] @ q[p, h].astype(numpy.float64) * (case["scale"] or dim**-0.5)
            if case["softcap"]:
                s = case["softcap"] * numpy.tanh(s / case["softcap"])
            e = numpy.exp(s - s.max())
            out.append(e @ v[first:, g] / e.sum())
    return numpy.array(out), min(nearest)


def case(n, heads, kv_heads, dim, window=0, softcap=0.0, scale=0.0, block=1, formats=("fp32", "fp32"), rotate=False, steps=()):
    rows = sorted({p for p in (0, 1, block - 1, block, 2 * block - 1, window - 1, window, window + 1, n // 2, n - 2, n - 1) if 0 <= p < n})
    one = {"n": n, "heads": heads, "kv_heads": kv_heads, "dim": dim, "window": window, "softcap": softcap, "scale": scale, "block": block,
           "formats": list(formats), "rotate": rotate, "steps": list(steps) or [n], "rows": rows}
    for seed in range(100, 400, 4):
        y, nearest = attend(one, seed)
        if not rotate or nearest > NEAREST:
            return {**one, "seed": seed, "y": [float(f"{v:.9g}") for v in y.reshape(-1)]}
    raise SystemExit(f"no seed keeps {one} away from where codes meet")


def main():
    cases = [
        # lengths: one position, odd ones, and on both sides of a tile of 1,024 keys
        case(1, 1, 1, 1), case(3, 3, 1, 5, steps=(1,)), case(33, 5, 5, 7, steps=(1, 4)), case(1023, 1, 1, 3, steps=(1023,)),
        case(1024, 1, 1, 3, steps=(1000, 23, 1)), case(1025, 3, 3, 3, steps=(1024, 1)), case(2049, 2, 1, 3, steps=(700,)),
        # head counts, widths that are no power of two, scale, soft caps
        case(41, 9, 3, 20, softcap=5.0, steps=(17, 1)), case(29, 7, 7, 96, scale=0.05, steps=(29,)), case(37, 15, 5, 12, softcap=0.5, scale=1.0, steps=(5,)),
        # windows: of one, of two, around a block's border, longer than the text, wider than a tile
        case(20, 3, 1, 6, window=1, steps=(1, 6)), case(20, 3, 3, 6, window=2, steps=(3,)), case(75, 2, 1, 8, window=31, block=32, steps=(1,)),
        case(75, 2, 1, 8, window=32, block=32, steps=(7,)), case(75, 2, 1, 8, window=33, block=32, steps=(32, 5)), case(50, 4, 2, 6, window=80, steps=(9,)),
        case(1200, 1, 1, 2, window=1025, steps=(600, 1, 599)), case(66, 6, 2, 10, window=9, softcap=3.0, block=3, steps=(4, 1)),
        # formats, as they are read back
        case(70, 4, 2, 20, formats=("fp16", "int8"), steps=(1, 8)), case(70, 6, 3, 32, formats=("q8_0", "q4_0"), block=3, steps=(11,)),
        case(70, 4, 2, 64, formats=("fp16", "qins8"), steps=(70,)), case(70, 3, 1, 24, formats=("qins8", "qins8"), block=32, window=33, steps=(1,)),
        case(70, 5, 5, 96, formats=("q4_0", "q8_0"), block=32, steps=(31, 2)), case(1100, 1, 1, 32, formats=("q8_0", "q8_0"), block=32, steps=(500, 100)),
        # rotated
        case(40, 4, 2, 20, rotate=True, formats=("fp32", "fp32"), block=3, steps=(7,)), case(40, 2, 1, 32, rotate=True, formats=("q4_0", "q8_0"), steps=(1,)),
        case(33, 2, 1, 24, rotate=True, formats=("int8", "int8"), block=8, window=17, steps=(5,)), case(33, 3, 3, 16, rotate=True, formats=("qins8", "qins8"), steps=(33,)),
    ]
    origin = f"make_attention.py: NumPy {numpy.__version__}, float64"
    text = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (HERE / "attention.json").write_text(f'{{"origin": "{origin}", "cases": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main()
