#!/usr/bin/env python3
"""Writes tests/golden/gguf_blocks.json: GGUF's block types as the package `gguf` of llama.cpp (PyPI, made with 0.19.0)
reads and writes them.

For each type: `blocks`, bytes of blocks that were drawn at random or are at an edge, with the SHA-256 of what
gguf.quants.dequantize makes of each (little-endian float32); and, where gguf.quants.quantize has the type, `encoded`, the
SHA-256 of what it makes of each row of `inputs` (hexadecimal, little-endian float32, 256 values). NVFP4 has no quantize
there: its scales are gguf's fp32_to_ue4m3, its codes the first of the 16 with the least error.

    python3 tests/golden/make_gguf_blocks.py > tests/golden/gguf_blocks.json
"""
import hashlib
import importlib.metadata
import json
import warnings

import gguf
import numpy as np
from gguf import quants

warnings.filterwarnings("ignore")  # 1 / 0 in blocks of zeros
# Type: offsets of its halves (scales, minima).
TYPES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
         "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [], "NVFP4": [],
         "TQ1_0": [52], "TQ2_0": [64]}


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


def nvfp4(x):
    parts = x.reshape(-1, 4, 16)
    scales = quants.NVFP4.fp32_to_ue4m3(np.abs(parts).max(-1) / np.float32(6))
    unit = quants.NVFP4.ue4m3_to_fp32(scales).astype(np.float32)
    error = np.abs(unit[..., None, None] * np.array(quants.NVFP4.kvalues, np.float32) - parts[..., None])
    codes = error.argmin(-1).astype(np.uint8)
    return np.concatenate([scales, (codes[..., :8] | codes[..., 8:] << 4).reshape(-1, 32)], -1).astype(np.uint8)


def main():
    rng = np.random.default_rng(10)
    x = inputs(rng)
    types = {}
    for name, halves in TYPES.items():
        kind = gguf.GGMLQuantizationType[name]
        data = blocks(name, halves, rng)
        entry = types[name.lower()] = {"values": gguf.GGML_QUANT_SIZES[kind][0], "bytes": data.shape[1], "halves": halves}
        values = [quants.dequantize(block, kind) for block in data]
        assert np.isfinite(values).all()
        entry["blocks"] = [{"bytes": block.tobytes().hex(), "decoded": sha(v)} for block, v in zip(data, values)]
        try:
            write = nvfp4 if name == "NVFP4" else lambda row: quants.quantize(row, kind)
            entry["encoded"] = [sha(write(row)) for row in x]
        except NotImplementedError:
            pass
    origin = f"make_gguf_blocks.py, gguf {importlib.metadata.version('gguf')}, numpy {np.__version__}"
    print(json.dumps({"origin": origin, "inputs": [row.tobytes().hex() for row in x], "types": types}, indent=0))


if __name__ == "__main__":
    main()
