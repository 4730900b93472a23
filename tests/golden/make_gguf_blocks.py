#!/usr/bin/env python3
"""Writes tests/golden/gguf_blocks.json: GGUF's block types as llama.cpp reads and writes them, by its Python package gguf
(made with 0.19.0) and the library ggml in llama-cpp-python (0.3.36), both from PyPI.

For each type: `blocks`, bytes of blocks that were drawn at random or are at an edge, with the SHA-256 of what
gguf.quants.dequantize makes of each (little-endian float32). Then what ggml_quantize_chunk makes, without importance
weights, of each row of `inputs` (hexadecimal, little-endian float32, 256 values): `encoded`, the SHA-256 of its bytes (and
gguf.quants gives the same ones, or this stops); or, where it searches and the last bits depend on how ggml was compiled,
`reached`, the sum of the squared errors, and that weighted by the squared values.

    python3 tests/golden/make_gguf_blocks.py > tests/golden/gguf_blocks.json
"""
import ctypes
import hashlib
import importlib.metadata
import json
import pathlib
import warnings

import gguf
import llama_cpp
import numpy as np
from gguf import quants

warnings.filterwarnings("ignore")  # 1 / 0 in blocks of zeros
# Type: offsets of its halves (scales, minima).
TYPES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
         "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [], "NVFP4": [],
         "TQ1_0": [52], "TQ2_0": [64]}
SEARCHED = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def blocks(name, halves, rng):
    """Random bytes with finite scales; all zero; all ones, the scales 65504; a denormal scale, a negative one."""
    out = rng.integers(0, 256, (8, gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][1]), dtype=np.uint8)
    out[4] = 0
    out[5] = 255
    for at in halves:
        bits = out[:, at:at + 2].view("<u2")[:, 0]
        bits[(bits & 0x7C00) == 0x7C00] ^= 0x4000
        bits[5:8] = 0x7BFF, 0x0001, 0xB123
        out[:, at:at + 2] = bits[:, None].view(np.uint8)
    if name == "MXFP4":
        out[:, 0] = 0, 1, 2, 127, 0, 252, 120, 133
    if name == "NVFP4":  # 0x7f is 0, and so is what has bit 7 only
        out[:, :4] = out[:, :4] & 0x7F
        out[5:, :4] = [[0x7F, 0xFF, 0x7E, 0x80], [1, 7, 8, 9], [0x38, 0x41, 0x6F, 0xB8]]
    return out


def inputs(rng):
    """Rows of 256: as weights are; heavy tails; zeros of both signs; one value alone; ties of 4- and 8-bit codes; values
    of one sign; tiny ones, whose halves are denormal or 0; large ones; -1, 0 and 1, such that TQ1_0's bytes hold the
    numbers from 163 on."""
    x = np.zeros((9, 256), dtype=np.float32)
    x[0] = rng.normal(0, 0.02, 256)
    x[1] = rng.standard_t(3, 256)
    x[2, 128:] = -0.0
    x[3, 100] = -0.75
    x[4] = (np.arange(256) % 33 - 16) / 2
    x[5] = rng.uniform(0.5, 2, 256)
    x[6] = rng.normal(0, 1e-6, 256)
    x[7] = rng.normal(0, 1000, 256)
    for digit in range(5):
        codes = (163 + np.arange(48)) // 3 ** (4 - digit) % 3 - 1
        x[8, 32 * digit:32 * digit + 32] = codes[:32]
        x[8, 160 + 16 * digit:176 + 16 * digit] = codes[32:]
    return x


def ggml():
    """ggml_quantize_chunk(type, values, out, first, rows, columns, importance)."""
    library = next((pathlib.Path(llama_cpp.__file__).parent / "lib").glob("libggml-base.so*"))
    function = ctypes.CDLL(str(library)).ggml_quantize_chunk
    function.restype = ctypes.c_size_t
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + 3 * [ctypes.c_int64] + [ctypes.c_void_p]
    return function


def encode(quantise, kind, row):
    values, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros(row.size // values * size, dtype=np.uint8)
    assert quantise(int(kind), row.ctypes.data, out.ctypes.data, 0, 1, row.size, None) == out.size
    try:  # the signs of zeros apart
        assert not row.any() or (quants.quantize(row, kind) == out).all(), (kind, "gguf's bytes are not ggml's")
    except NotImplementedError:
        pass
    return out


def errors(row, data, kind):
    error = (quants.dequantize(data, kind).astype(float) - row) ** 2
    return [error.sum(), (error * row.astype(float) ** 2).sum()]


def main():
    rng = np.random.default_rng(10)
    x = inputs(rng)
    quantise = ggml()
    types = {}
    for name, halves in TYPES.items():
        kind = gguf.GGMLQuantizationType[name]
        data = blocks(name, halves, rng)
        entry = types[name.lower()] = {"values": gguf.GGML_QUANT_SIZES[kind][0], "bytes": data.shape[1], "halves": halves}
        values = [quants.dequantize(block, kind) for block in data]
        assert np.isfinite(values).all()
        entry["blocks"] = [{"bytes": block.tobytes().hex(), "decoded": sha(v)} for block, v in zip(data, values)]
        data = [encode(quantise, kind, row) for row in x]
        if name in SEARCHED:
            entry["reached"] = [errors(row, out, kind) for row, out in zip(x, data)]
        else:
            entry["encoded"] = [sha(out) for out in data]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("gguf", "llama_cpp_python", "numpy")]
    print(json.dumps({"origin": "make_gguf_blocks.py, " + ", ".join(versions), "inputs": [row.tobytes().hex() for row in x], "types": types}, indent=0))


if __name__ == "__main__":
    main()
