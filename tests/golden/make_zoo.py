#!/usr/bin/env python3
"""Writes tests/golden/zoo.json: what the closed-form codecs store and decode, by a second implementation in NumPy, with
ml_dtypes (made with 0.6.0, from PyPI) for the OCP floats, exact fractions for dynamic8's map, and posits rounded as
strings of bits. NF4's values are those that bitsandbytes publishes.

`inputs`: matrices in hexadecimal, little-endian float32. `cases`: codec, options, and for each input the SHA-256 of the
encoded bytes and of the decoded values; null where the values are refused. `decoded`: encoded bytes of one row that
hold every code, and the SHA-256 of their values.

    python3 tests/golden/make_zoo.py > tests/golden/zoo.json
"""
import hashlib
import importlib.metadata
import json
import warnings
from fractions import Fraction

import ml_dtypes
import numpy as np

warnings.filterwarnings("ignore")  # 1 / 0 of zero blocks
F = np.float32
NF4 = np.array([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], F)
FP4 = np.array([0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4], F)  # by code


def dynamic_map():
    values = [Fraction(0), Fraction(1)]
    for i in range(7):
        cuts = [Fraction(1, 10) + Fraction(9, 10) * j / 2**i for j in range(2**i + 1)]
        for low, high in zip(cuts, cuts[1:]):
            values += [(low + high) / 2 * Fraction(10)**(i - 6), -(low + high) / 2 * Fraction(10)**(i - 6)]
    return np.array([nearest_float(v) for v in sorted(values)], F)


def nearest_float(v):
    guess = F(float(v))
    around = [np.nextafter(guess, F(-9)), guess, np.nextafter(guess, F(9))]
    return min(around, key=lambda f: abs(Fraction(float(f)) - v))


# ---- layout ----

def pack(codes, bits):
    """Rows of codes, each from a whole byte on, lowest bits first; a ninth bit behind the row's bytes."""
    rows = []
    for row in codes:
        low = np.array([[c >> b & 1 for b in range(min(bits, 8))] for c in row], np.uint8).ravel()
        rows.append(np.packbits(low, bitorder="little").tobytes())
        if bits > 8:
            rows.append(np.packbits(np.array([c >> 8 for c in row], np.uint8), bitorder="little").tobytes())
    return b"".join(rows)


def scopes(shape, scope, runs_on=False):
    """Lists of flat indices that share a scale, in order."""
    rows, cols = shape
    flat = np.arange(rows * cols).reshape(shape)
    if scope == "tensor":
        return [flat.ravel()]
    width = cols if scope == "row" else int(scope.split(":")[1])
    if runs_on and width % cols == 0:
        return [part.ravel() for part in np.split(flat, range(width // cols, rows, width // cols))]
    return [row[at:at + width] for row in flat for at in range(0, cols, width)]


def build(x, scope, bits, store, encode, decode, runs_on=False):
    """Scales by `store`(span) -> (bytes, scale); codes and values under it."""
    flat, codes, values, head = x.ravel(), np.zeros(x.size, int), np.zeros(x.size, F), b""
    for part in scopes(x.shape, scope, runs_on):
        stored, scale = store(flat[part])
        head += stored
        codes[part] = encode(flat[part], scale)
        values[part] = decode(codes[part], scale)
    return head + pack(codes.reshape(x.shape), bits), values


def f32(v):
    return np.array(v, "<f4").tobytes()


# ---- grids ----

def ml_codes(t, kind, top):
    """Sign and magnitude codes of ml_dtypes' rounding, after clamping to the top."""
    grid = np.clip(np.asarray(t, np.float64), -top, top).astype(F).astype(kind)
    return grid.view(np.uint8).astype(int)


def ml_values(codes, kind):
    return np.array(codes, np.uint8).view(kind).astype(F)


def small_table(exponent, mantissa):
    out = []
    for code in range(1 << (exponent + mantissa)):
        e, m = code >> mantissa, code & ((1 << mantissa) - 1)
        out.append(m if e == 0 else ((1 << mantissa) + m) << (e - 1))
    return np.array(out, F)


def even_codes(t, table, sign):
    """Nearest magnitude, ties to the even code."""
    codes = []
    for v in np.asarray(t, np.float64):
        distance = np.abs(table.astype(np.float64) - abs(v))
        best = np.flatnonzero(distance == distance.min())
        codes.append(int(best[0] if len(best) == 1 else [b for b in best if b % 2 == 0][0]) | (sign if np.signbit(v) else 0))
    return np.array(codes)


def by_top(top):
    def store(span):
        s = F(np.abs(span).max()) / F(top)
        s = s if np.isfinite(s * F(top)) else np.nextafter(s, F(0))
        return f32(s), s
    return store


def ratio(span, s):
    return span / s if s > 0 else np.copysign(F(0), span)


def fp8(kind, top):
    return lambda x, scope="row": build(x, scope, 8, by_top(top), lambda v, s: ml_codes(ratio(v, s), kind, top),
                                        lambda c, s: s * ml_values(c, kind))


def minifloat(exponent, mantissa):
    table = small_table(exponent, mantissa)
    both = np.concatenate([table, -table])
    return lambda x, scope="row": build(x, scope, 8, by_top(table[-1]), lambda v, s: even_codes(ratio(v, s), table, 128),
                                        lambda c, s: s * both[c])


def exact_exponent(v):
    power, limit = 0, Fraction(float(v))
    while limit >= 2:
        limit, power = limit / 2, power + 1
    while limit < 1:
        limit, power = limit * 2, power - 1
    return power


def mx(encode, decode, bits, emax):
    def store(span):
        top = np.abs(span).max()
        byte = int(np.clip(exact_exponent(top) - emax + 127, 0, 254)) if top > 0 else 0
        return bytes([byte]), byte
    return lambda x: build(x, "group:32", bits, store, lambda v, b: encode(v.astype(np.float64) * 2.0**(127 - b)),
                           lambda c, b: F(2.0**(b - 127)) * decode(c))


def mxfloat(kind, bits, top, emax):
    return mx(lambda t: ml_codes(t, kind, top), lambda c: ml_values(c, kind), bits, emax)


def mxint8():
    return mx(lambda t: np.clip(np.rint(t * 64), -127, 127).astype(int) & 255,
              lambda c: np.array(c, np.uint8).view(np.int8).astype(F) / F(64), 8, 0)


def nvfp4_tensor(x):
    g = F(np.abs(x).max()) / F(2688)
    kind, small = ml_dtypes.float8_e4m3fn, ml_dtypes.float4_e2m1fn

    def store(span):
        byte = int(ml_codes([F(np.abs(span).max()) / F(6) / g], kind, 448)[0]) if g > 0 else 0
        return bytes([byte]), g * ml_values([byte], kind)[0]
    stored, values = build(x, "group:16", 4, store, lambda v, d: ml_codes(ratio(v, d), small, 6), lambda c, d: d * ml_values(c, small))
    return f32(g) + stored, values


def amax(span):
    a = F(np.abs(span).max())
    return f32(a), a


def inverse_ratio(span, a):
    if a == 0:
        return np.copysign(F(0), span)
    return span * (F(1) / a) if np.isfinite(F(1) / a) else span / a


def lower_codes(t, table):
    return np.searchsorted(F(0.5) * (table[1:] + table[:-1]), t, side="left")


def nf4_codes(v, a):
    return lower_codes(inverse_ratio(v, a), NF4)


def fp4_codes(v, a):
    order = np.argsort(FP4)
    t = inverse_ratio(v, a)
    return order[lower_codes(np.abs(t), FP4[order])] + 8 * np.signbit(t)


FP4_VALUES = np.concatenate([FP4, -FP4])
DYNAMIC8 = dynamic_map()


def four_bits(encode, table):
    def both(x, block="64", double_quantisation="false"):
        head, values = build(x, f"group:{block}", 4, amax, encode, lambda c, a: table[c] * a)
        if double_quantisation == "false":
            return head, values
        parts = scopes(x.shape, f"group:{block}")
        tops = np.array([np.abs(x.ravel()[p]).max() for p in parts], F)
        total = 0.0
        for t in tops:
            total += float(t)
        offset = F(total / len(tops))
        steps, second = b"", []
        for at in range(0, len(tops), 256):
            rest = tops[at:at + 256] - offset
            step = F(np.abs(rest).max())
            steps += f32(step)
            codes = lower_codes(inverse_ratio(rest, step), DYNAMIC8)
            second += [(int(c), DYNAMIC8[c] * step + offset) for c in codes]
        codes, values = np.zeros(x.size, int), np.zeros(x.size, F)
        for p, top, (_, scale) in zip(parts, tops, second):
            codes[p] = encode(x.ravel()[p], top)
            values[p] = table[codes[p]] * min(scale, np.finfo(F).max)
        return f32(offset) + steps + bytes(c for c, _ in second) + pack(codes.reshape(x.shape), 4), values
    return both


def dynamic8(x, block="256"):
    return build(x, f"group:{block}", 8, amax, lambda v, a: lower_codes(inverse_ratio(v, a), DYNAMIC8),
                 lambda c, a: DYNAMIC8[c] * a, runs_on=True)


MULAW = ((256.0**(np.arange(128) / 127) - 1) / 255).astype(F)


def mulaw8(x, scope="row"):
    def encode(v, a):
        share = 255 * np.abs(v.astype(float)) / float(a) if a > 0 else np.zeros(len(v))
        q = np.floor(127 * np.log1p(share) / np.log(256) + 0.5)
        return np.minimum(q, 127).astype(int) | 128 * np.signbit(v)
    return build(x, scope, 8, amax, encode, lambda c, a: np.concatenate([MULAW, -MULAW])[c] * a)


def qinsc_table(n, k, linear):
    """By code: zero, geometric from 1 to 2^-k, then equally spaced towards zero."""
    last = n - linear
    log = 2.0**(-k * np.arange(last) / (last - 1))
    return np.concatenate([[0], log, 2.0**-k * np.arange(linear, 0, -1) / (linear + 1)]).astype(F)


def qinsc_codes(v, a, n, k, linear, zero):
    """Codes without the sign."""
    last, magnitude = n - linear, np.abs(v.astype(float))
    if a == 0:
        return np.full(v.size, 0 if zero else n)
    steps = np.log2(float(a) / magnitude) * (last - 1) / k
    c = 1 + np.clip(np.rint(np.nan_to_num(steps, posinf=1e9)), 0, last - 1).astype(int)
    low = float(a) * 2.0**-k
    if linear or zero:
        spaced = np.rint(np.minimum(magnitude / low, 1) * (linear + 1)).astype(int)
        c = np.where(magnitude < low, np.where(spaced > 0, last + linear + 1 - spaced, 0 if zero else n), c)
    return c


def qinsc_store(a, kind):
    """Bytes and value of a scale, to the nearest and at most the greatest finite one."""
    if kind == "fp32":
        return f32(a), F(a)
    to = np.float16 if kind == "fp16" else ml_dtypes.bfloat16
    half = min(to(a), ml_dtypes.finfo(to).max)
    return np.array(half, to).tobytes(), F(half)


def qinsc(x, scope="row", levels="127", octaves="7", linear="0", zero="false", range="fp32", fit="none"):
    n, linear, zero, sign = int(levels), int(linear), zero == "true", 128 if levels == "127" else 256
    flat, codes, values, head, fitted = x.ravel(), np.zeros(x.size, int), np.zeros(x.size, F), b"", b""
    for part in scopes(x.shape, scope):
        v, k = flat[part], float(octaves)
        stored, a = qinsc_store(np.abs(v).max(), range)
        head += stored
        if fit == "mse":
            def error(half):
                y = qinsc_table(n, half / 2, linear)[qinsc_codes(v, a, n, half / 2, linear, zero)] * a
                square = (np.abs(v.astype(float)) - y.astype(float))**2
                return np.add.accumulate(square)[-1]  # one after the other
            halves = list(np.arange(2, int(2 * k) + 1))
            best = int(halves[int(np.argmin([error(h) for h in halves]))]) if a > 0 else 2
            fitted += bytes([best])
            k = best / 2
        c = qinsc_codes(v, a, n, k, linear, zero)
        values[part] = np.where(np.signbit(v), F(-1), F(1)) * (qinsc_table(n, k, linear)[c] * a)
        codes[part] = c | sign * np.signbit(v)
    return head + fitted + pack(codes.reshape(x.shape), 8 if n == 127 else 9), values


# ---- posits, as strings of bits ----

def posit_value(code, es):
    if code == 0:
        return Fraction(0)
    if code >= 128:
        return -posit_value(256 - code, es)
    bits = format(code, "08b")[1:]
    run = len(bits) - len(bits.lstrip(bits[0]))
    regime = run - 1 if bits[0] == "1" else -run
    rest = bits[run + 1:]
    exponent = int((rest + "000")[:es] or "0", 2)
    fraction = rest[es:]
    value = 1 + (Fraction(int(fraction, 2), 2**len(fraction)) if fraction else 0)
    return value * Fraction(2)**(regime * 2**es + exponent)


def posit_code(v, es):
    if v == 0:
        return 0
    rest, power = abs(Fraction(float(v))), exact_exponent(abs(v))
    top = 6 * 2**es
    if rest >= Fraction(2)**top:
        code = 127
    elif rest < Fraction(2)**-top:
        code = 1
    else:
        regime, exponent = power >> es, power & (2**es - 1)
        bits = "1" * (regime + 1) + "0" if regime >= 0 else "0" * -regime + "1"
        bits += format(exponent, f"0{es}b") if es else ""
        rest = rest / Fraction(2)**power - 1
        for _ in range(40):
            rest *= 2
            bits += "1" if rest >= 1 else "0"
            rest -= rest >= 1
        code, tail = int(bits[:7], 2), bits[7:]
        half = tail[0] == "1"
        above = "1" in tail[1:] or rest > 0
        code += half and (above or code % 2)
        code = min(max(code, 1), 127)
    return code if v > 0 else 256 - code


def posit8(x, scope="row", es="1"):
    table = np.array([0 if c == 128 else float(posit_value(c, int(es))) for c in range(256)], F)
    return build(x, scope, 8, by_top(4), lambda v, s: np.array([posit_code(t, int(es)) for t in ratio(v, s)]),
                 lambda c, s: s * table[c])


# ---- integers with zero points; codebooks ----

LARGEST = np.finfo(F).max


def affine_values(codes, scale, zero):
    return np.clip(F(scale) * (codes.astype(F) - F(zero)), -LARGEST, LARGEST)


def integers(bits):
    def both(x, scope="group:32", zero_point="false", clip="none"):
        middle, whole = 2**(bits - 1), 2**bits - 1

        def attempt(span, i):
            share, low, high = (100 - i) / 100, min(0.0, float(span.min())), max(0.0, float(span.max()))
            if zero_point == "false":
                s, z, least = F(share * max(high, -low) / (middle - 1)), middle, 1
            else:
                s = F(share * (high - low) / whole)
                z = int(np.rint(min(F(share * -low / float(s)), F(whole)))) if s > 0 else 0
                least = 0
            t = np.clip(span / s, -1024, 1024) if s > 0 else np.zeros_like(span)
            codes = np.clip(np.rint(t) + z, least, whole).astype(int)
            return s, z, codes, affine_values(codes, s, z)

        def store(span):
            best = attempt(span, 0)
            for i in range(1, 80 if clip == "mse" else 0):
                other = attempt(span, i)
                old, new = (sum(((b[3].astype(float) - span.astype(float))**2).tolist()) for b in (best, other))
                best = other if new < old else best
            return f32(best[0]) + (bytes([best[1]]) if zero_point == "true" else b""), best
        return build(x, scope, bits, store, lambda v, b: b[2], lambda c, b: b[3])
    return both


def hqq(x, scope="group:64", bits="4"):
    top = F(2**int(bits) - 1)

    def codes(v, inverse, zero):
        return np.clip(v * inverse + zero, F(0), top).round()

    def store(v):
        span = v.max() - v.min()
        if not np.isfinite(span):
            raise OverflowError
        inverse = F(1) if span <= F(1e-4) else min(top / span, F(2e4))
        zero = -v.min() * inverse
        zero = np.rint(zero) if bits == "4" else zero
        beta, best = 10.0, 1e4
        for _ in range(20):
            q = codes(v, inverse, zero)
            rest = v - (q - zero) / inverse
            power = np.power(np.abs(rest).astype(float), 0.7 - 1).astype(F)
            left = np.maximum(np.abs(rest) - F(1 / beta) * power, F(0))
            terms = q - (v - np.where(left > 0, np.copysign(left, rest), F(0))) * inverse
            zero = F(sum(terms.astype(float).tolist()) / len(v))
            beta *= 1.01
            error = sum(np.abs(rest).astype(float).tolist()) / len(v)
            if not error < best:
                break
            best = error
        if not np.isfinite(zero) or not np.isfinite(F(1) / inverse):
            raise OverflowError
        return f32(F(1) / inverse) + f32(zero), (inverse, zero)
    return build(x, scope, int(bits), store, lambda v, f: codes(v, *f).astype(int),
                 lambda c, f: affine_values(c, F(1) / f[0], f[1]))


def lloyd_max(span, entries):
    v = span.astype(float)
    if len(v) <= entries:
        return np.sort(np.concatenate([v, np.full(entries - len(v), v[-1])])).astype(F) + F(0)  # no -0
    bins, low = min(65536, 16 * len(v)), v.min()
    width = (v.max() - low) / bins
    at = np.minimum(((v - low) / width).astype(int), bins - 1) if width > 0 else np.zeros(len(v), int)
    h = np.bincount(at, minlength=bins)
    count = np.concatenate([[0], np.cumsum(h)]).astype(float)
    total = np.concatenate([[0], np.cumsum(np.bincount(at, weights=v, minlength=bins))])
    full = np.flatnonzero(h)
    ends = np.concatenate([[0], full + 1])
    weights = np.cbrt(h[full] * np.diff(ends).astype(float)**2)
    sums = np.concatenate([[0], np.cumsum(weights)])
    due = sums[-1] * (np.arange(entries) + 0.5) / entries
    k = np.minimum(np.searchsorted(sums, due, side="right") - 1, len(weights) - 1)
    c = low + (ends[k] + np.diff(ends)[k] * (due - sums[k]) / weights[k]) * width
    squares, least = sum((v * v).tolist()), np.inf
    for _ in range(1000):
        edge = 0.5 * (c[1:] + c[:-1])
        cut = np.clip(np.floor((edge - low) / width + 0.5), 0, bins).astype(int) if width > 0 else np.zeros(entries - 1, int)
        cut = np.concatenate([[0], cut, [bins]])
        n, s = np.diff(count[cut]), np.diff(total[cut])
        c = np.where(n > 0, s / n, c)
        error = squares
        for product in (s * c)[n > 0].tolist():
            error -= product
        if not error < least * (1 - 1e-6):
            break
        least = error
    return np.maximum.accumulate(c.astype(F))


def codebook(bits):
    def both(x, scope="tensor"):
        parts = scopes(x.shape, scope)
        entries = min(2**bits, max(len(p) for p in parts))

        def store(span):
            table = lloyd_max(span, entries)
            return f32(table), table

        def encode(v, table):
            wide = table.astype(float)
            return np.searchsorted(0.5 * (wide[1:] + wide[:-1]), v.astype(float), side="left")
        return build(x, scope, bits, store, encode, lambda c, table: table[c])
    return both


CODECS = {
    "e4m3": fp8(ml_dtypes.float8_e4m3fn, 448), "e5m2": fp8(ml_dtypes.float8_e5m2, 57344), "e3m4": minifloat(3, 4),
    "e2m5": minifloat(2, 5), "mxfp8_e4m3": mxfloat(ml_dtypes.float8_e4m3fn, 8, 448, 8),
    "mxfp8_e5m2": mxfloat(ml_dtypes.float8_e5m2, 8, 57344, 15), "mxfp6_e3m2": mxfloat(ml_dtypes.float6_e3m2fn, 6, 28, 4),
    "mxfp6_e2m3": mxfloat(ml_dtypes.float6_e2m3fn, 6, 7.5, 2), "mxfp4_ocp": mxfloat(ml_dtypes.float4_e2m1fn, 4, 6, 2),
    "mxint8": mxint8(), "nvfp4_tensor": nvfp4_tensor, "nf4": four_bits(nf4_codes, NF4),
    "fp4": four_bits(fp4_codes, FP4_VALUES), "dynamic8": dynamic8, "mulaw8": mulaw8, "qinsc": qinsc, "posit8": posit8,
    "int4": integers(4), "int6": integers(6), "int8_affine": integers(8), "hqq": hqq, "codebook4": codebook(4),
    "codebook8": codebook(8),
}
SCOPED = ["e4m3", "e5m2", "e3m4", "e2m5", "mulaw8", "posit8", "qinsc", "int4", "int6", "int8_affine", "hqq", "codebook4",
          "codebook8"]
MORE = [("nf4", "double_quantisation=true"), ("fp4", "double_quantisation=true"), ("fp4", "block=5"),
        ("nf4", "block=1,double_quantisation=true"), ("dynamic8", "block=64"), ("dynamic8", "block=200"),
        ("posit8", "es=0"), ("posit8", "es=2"), ("hqq", "bits=3"), ("hqq", "bits=8")]
MORE += [("qinsc", f"levels={n},octaves={k},zero={z}") for n in (127, 254) for k in ("8", "10.5") for z in ("true", "false")]
MORE += [("qinsc", text) for text in (
    "range=fp16", "range=bf16", "scope=group:32,range=fp16", "scope=tensor,range=bf16", "scope=tensor,range=fp16",
    "linear=1", "linear=32,octaves=3", "linear=32,octaves=3,zero=true", "linear=125,octaves=1", "linear=125,octaves=2.5,zero=true",
    "levels=254,linear=64,octaves=2.7", "levels=254,linear=125,octaves=4,zero=true,range=bf16,scope=group:16",
    "fit=mse", "fit=mse,octaves=64", "fit=mse,octaves=1", "fit=mse,octaves=12.4,scope=group:24,range=fp16",
    "fit=mse,linear=16,octaves=6,zero=true", "fit=mse,levels=254,octaves=20,scope=group:32,zero=true,range=bf16")]
MORE += [(f, f"zero_point={z},clip={c}") for f in ("int4", "int6", "int8_affine") for z, c in
         (("true", "none"), ("false", "mse"), ("true", "mse"), ("false", "mse,scope=row"), ("true", "mse,scope=tensor"))]


def inverse_matters(rng, table):
    """Rows of a greatest value and some whose code is another with x * (1 / a) than with x / a."""
    rows = []
    while len(rows) < 4:
        a = F(rng.uniform(1, 2))
        edges = F(0.5) * (table[1:] + table[:-1]) * a
        around = np.concatenate([edges, np.nextafter(edges, F(9)), np.nextafter(edges, F(-9))])
        found = around[lower_codes(around * (F(1) / a), table) != lower_codes(around / a, table)]
        if len(found) >= 3:
            rows.append(np.concatenate([[a], found[:3]]).astype(F))
    return np.array(rows)


def inputs():
    """As weights are; heavy tails with zeros of both signs; midpoints of each grid under a scale of 1; denormal and huge
    values; zeros; one value; rows shorter than blocks; a block's amax just under a power of two; few distinct values;
    an outlier; what overflows under e3m4's nearest scale; values that x * (1 / a) and x / a round to different codes."""
    rng = np.random.default_rng(9)
    out = [rng.normal(0, 0.02, (4, 256)).astype(F), rng.standard_t(3, (3, 100)).astype(F)]
    out[1].ravel()[::7] = 0
    out[1].ravel()[::21] = F(-0.0)
    ties = []
    for top, table in ((448, ml_values(range(127), ml_dtypes.float8_e4m3fn)), (57344, ml_values(range(124), ml_dtypes.float8_e5m2)),
                       (1984, small_table(3, 4)), (252, small_table(2, 5)), (6, small_table(2, 1) / 2),
                       (4, np.array([float(posit_value(c, 1)) for c in range(112)], F)), (28, small_table(3, 2) / 16),
                       (7.5, small_table(2, 3) / 8), (127 / 64, np.arange(128, dtype=F) / 64)):
        middle = (table[1:] + table[:-1]) / F(2)
        row = rng.choice(middle[middle < top], 64).astype(F) * rng.choice([-1, 1], 64).astype(F)
        row[::32] = top
        ties.append(row)
    out.append(np.array(ties, F))
    tiny = np.array([[1e-45, -3e-45, 2e-44, 1e-40, -5e-39, 0, -0.0, 1.1e-38] * 5, [3.4028234e38, -1e38, 3e37, 1, -2e30] * 8], F)
    out += [tiny, np.zeros((3, 32), F), np.array([[-0.7]], F), rng.normal(0, 1, (7, 32)).astype(F)]
    out[4][1] = F(-0.0)
    out.append(np.array([[np.nextafter(F(2**(i % 5)), F(0)) * F((-1)**i) for i in range(64)], [2.0**-(i % 40) for i in range(64)]], F))
    out.append(rng.choice(np.array([-0.5, 0, 0.25, 1], F), (2, 40)))
    out.append(rng.normal(0, 1, (2, 700)).astype(F))
    out[-1][1, 5] = 30
    huge = LARGEST.view(np.uint32) - np.arange(4096, dtype=np.uint32)
    huge = next(v for v in huge.astype(np.uint32).view(F) if not np.isfinite(v / F(1984) * F(1984)))
    out.append(np.array([[huge, -huge]], F))
    out.append(np.concatenate([inverse_matters(rng, table) for table in (NF4, DYNAMIC8)]))
    return out


def options_of(text):
    return dict(pair.split("=") for pair in text.split(",")) if text else {}


def yaml_of(text):
    return "{" + ", ".join(f"{k}: {v}" for k, v in options_of(text).items()) + "}"


def sha(data):
    return hashlib.sha256(data).hexdigest()


def every_code(name, text):
    """One row with the codes that this codec writes, under a scale of 1."""
    wide = 9 if "levels=254" in text else 4 if name in ("nf4", "fp4", "mxfp4_ocp") else 6 if "fp6" in name else 8
    written = {"e4m3": lambda c: c & 127 < 127, "mxfp8_e4m3": lambda c: c & 127 < 127, "e5m2": lambda c: c & 127 < 124,
               "mxfp8_e5m2": lambda c: c & 127 < 124, "mxint8": lambda c: c != 128, "posit8": lambda c: c != 128,
               "qinsc": lambda c: (c & (127 if wide == 8 else 255)) in range("zero=true" not in text, 255)}
    codes = [c for c in range(1 << wide) if written.get(name, lambda c: True)(c)]
    return wide, codes


def main():
    data = inputs()
    cases = []
    for name, text in [(n, "") for n in CODECS] + [(n, f"scope={s}") for n in SCOPED for s in ("tensor", "row", "group:24")] + MORE:
        results = []
        for x in data:
            try:
                encoded, values = CODECS[name](x, **options_of(text))
                results.append([sha(encoded), sha(values.astype("<f4").tobytes())])
            except OverflowError:
                results.append(None)
        cases.append({"codec": name, "options": yaml_of(text), "results": results})
    decoded = []
    for name, text in [(n, "") for n in ("e4m3", "e5m2", "e3m4", "e2m5", "mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3",
                                         "mxfp4_ocp", "mxint8", "mulaw8", "nf4", "fp4", "dynamic8", "posit8", "qinsc")] + \
            [("posit8", "es=0"), ("posit8", "es=2"), ("qinsc", "levels=254,zero=true")]:
        wide, codes = every_code(name, text)
        values = np.zeros(len(codes), F)
        block = 32 if name.startswith("mx") else 64 if name in ("nf4", "fp4") else 256
        heads = -(-len(codes) // block) if name not in SCOPED else 1
        head = bytes([127]) * heads if name.startswith("mx") else f32(1) * heads
        table = {"e4m3": lambda c: ml_values(c, ml_dtypes.float8_e4m3fn), "mxfp8_e4m3": lambda c: ml_values(c, ml_dtypes.float8_e4m3fn),
                 "e5m2": lambda c: ml_values(c, ml_dtypes.float8_e5m2), "mxfp8_e5m2": lambda c: ml_values(c, ml_dtypes.float8_e5m2),
                 "mxfp6_e3m2": lambda c: ml_values(c, ml_dtypes.float6_e3m2fn), "mxfp6_e2m3": lambda c: ml_values(c, ml_dtypes.float6_e2m3fn),
                 "mxfp4_ocp": lambda c: ml_values(c, ml_dtypes.float4_e2m1fn),
                 "mxint8": lambda c: np.array(c, np.uint8).view(np.int8).astype(F) / F(64),
                 "e3m4": lambda c: np.concatenate([small_table(3, 4), -small_table(3, 4)])[c],
                 "e2m5": lambda c: np.concatenate([small_table(2, 5), -small_table(2, 5)])[c],
                 "mulaw8": lambda c: np.concatenate([MULAW, -MULAW])[c], "nf4": lambda c: NF4[c], "fp4": lambda c: FP4_VALUES[c],
                 "dynamic8": lambda c: DYNAMIC8[c],
                 "posit8": lambda c: np.array([float(posit_value(v, int(options_of(text).get("es", 1)))) for v in c], F)}
        if name == "qinsc":
            n, sign = (127, 128) if wide == 8 else (254, 256)
            t = np.concatenate([[0], 2.0**(-7 * np.arange(n) / (n - 1)), [0] * (sign - n - 1)]).astype(F)
            values = np.concatenate([t, -t])[codes]
        else:
            values = table[name](codes)
        decoded.append({"codec": name, "options": yaml_of(text), "cols": len(codes), "bytes": (head + pack([codes], wide)).hex(),
                        "decoded": sha(values.astype("<f4").tobytes())})
    origin = ", ".join(["make_zoo.py"] + [f"{p} {importlib.metadata.version(p)}" for p in ("numpy", "ml_dtypes")])
    print(json.dumps({"origin": origin,
                      "inputs": [{"rows": x.shape[0], "cols": x.shape[1], "values": x.astype("<f4").tobytes().hex()} for x in data],
                      "cases": cases, "decoded": decoded}, indent=0))


if __name__ == "__main__":
    main()
