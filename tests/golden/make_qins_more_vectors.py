#!/usr/bin/env python3
"""QINS in other scopes, INT8 and 16-bit rounding on small matrices. Writes qins_more_vectors.json.

Scopes: tensor, row, group:32 (32 consecutive values of a row; the last group of a row is shorter). stored, sign, decoded and coordinates
are (rows x cols) row-major; ranges and scales are in order of the scopes, row by row. Matrices are FP32 values printed in full.
"""
import json
import pathlib
import struct

import torch

import source_protocol as sp

HERE = pathlib.Path(__file__).resolve().parent


def scopes(x, scope):
    """The pieces of x, in order; each a 1-d view."""
    if scope == "tensor":
        return [x.flatten()]
    rows = list(x)
    return rows if scope == "row" else [piece for row in rows for piece in row.split(32)]


def qins_case(x, scope, epsilon):
    stored, sign, ranges, decoded, coordinates = [], [], [], [], []
    for piece in scopes(x, scope):
        code = sp.qins_encode(piece, epsilon)
        stored += code[0].tolist()
        sign += [int(s) for s in code[1]]
        ranges.append([code[2].item(), code[3].item()])
        decoded += sp.qins_decode(*code).tolist()
        coordinates += (code[1] * code[0].float() / 255).tolist()
    return {"scope": scope, "epsilon": epsilon, "stored": stored, "sign": sign, "ranges": ranges, "decoded": decoded, "coordinates": coordinates}


def int8_case(x, scope):
    q, scales, decoded = [], [], []
    for piece in scopes(x, scope):
        code, scale = sp.int8_encode(piece)
        q += code.tolist()
        scales.append(scale.item())
        decoded += (code.float() * scale).tolist()
    return {"scope": scope, "q": q, "scales": scales, "decoded": decoded}


def matrices():
    torch.manual_seed(11)
    normal = lambda r, c, s=0.02: torch.empty(r, c).normal_(0, s)
    yield "normal 3x37", normal(3, 37)
    yield "single 1x1", torch.tensor([[-0.75]])
    m = normal(5, 64, 1.0)
    m[1] = 0.0
    m[2] = -0.125
    m[3, :32] = 0.0
    m[4, 5], m[4, 6] = 1e-9, -1e-9
    yield "zero row, equal row, zero group, below the floor 5x64", m
    yield "heavy tails 2x70", normal(2, 70) ** 3 * 1e6
    yield "column 7x1", normal(7, 1)
    # 255 - 254 n on exact halves is rare; INT8 ties are exact here: absmax 127 makes x / scale = x
    yield "int8 ties 1x8", torch.tensor([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -126.5, 3.5]])


def sixteen_bit():
    bits = [0x00000000, 0x80000000, 0x3F800000, 0x3F801000, 0x3F803000, 0x3F801001, 0x3F808000, 0x3F818000, 0x3F808001, 0x33000000,
            0x33000001, 0x33800000, 0x33C00000, 0x34200000, 0x38800000, 0x387FC000, 0x387FE000, 0x387FFFFF, 0x477FE000, 0x477FEFFF,
            0x477FF000, 0xC77FF000, 0x477FF001, 0x7F7FFFFF, 0x7F7F7FFF, 0x7F7F8000, 0xFF7F8000, 0x00000001, 0x00008000, 0x00018000,
            0x007FFFFF, 0x00800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x3DCCCCCD, 0xC0490FDB, 0x7F800001, 0x42F6E979]
    out = []
    for b in bits:
        x = torch.tensor([struct.unpack("<f", struct.pack("<I", b))[0]])
        half, brain = (x.to(t).view(torch.int16).item() & 0xFFFF for t in (torch.float16, torch.bfloat16))
        nan = bool(x.isnan())
        out.append({"float_bits": f"{b:08x}", "fp16_bits": "nan" if nan else f"{half:04x}", "bf16_bits": "nan" if nan else f"{brain:04x}",
                    "fp16_overflow": not nan and b & 0x7FFFFFFF < 0x7F800000 and half & 0x7FFF == 0x7C00,
                    "bf16_overflow": not nan and b & 0x7FFFFFFF < 0x7F800000 and brain & 0x7FFF == 0x7F80})
    return out


def main():
    cases = []
    for name, x in matrices():
        cases.append({"name": name, "rows": x.shape[0], "cols": x.shape[1], "x": x.flatten().tolist(),
                      "qins": [qins_case(x, s, e) for s in ("tensor", "row", "group:32") for e in (0.0, 1e-8)],
                      "int8": [int8_case(x, s) for s in ("tensor", "row", "group:32")]})
    for case in cases:  # epsilon vanishes in float32 beside any range but a zero one: keep the case only where it changes something
        kept = {}
        for q in case["qins"]:
            base = kept.get((q["scope"], 0.0))
            if q["epsilon"] and base and all(base[k] == q[k] for k in ("stored", "decoded")):
                base["epsilon_1e-8_is_identical"] = True
            else:
                kept[q["scope"], q["epsilon"]] = q
        case["qins"] = list(kept.values())
    text = json.dumps({"origin": sp.origin("make_qins_more_vectors.py"),
                       "int8": "scale = absmax / 127 (float32), q = round half to even(x / scale), a true division, clamped to +-127",
                       "sixteen_bit": sixteen_bit(), "cases": cases})
    (HERE / "qins_more_vectors.json").write_text(text.replace('{"name"', '\n{"name"').replace('{"scope"', '\n {"scope"') + "\n")


if __name__ == "__main__":
    main()
