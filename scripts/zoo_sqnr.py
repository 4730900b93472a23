#!/usr/bin/env python3
"""Prints the SQNR of every codec on three matrices of 256 x 1024 float32, by the built program, beside the published
figures (the definitions' own table); exit 1 where one is off by more than 0.05 dB.

    build/qinsbench must exist (QINSBENCH names another); numpy is needed:  python3 scripts/zoo_sqnr.py
"""
import os
import subprocess
import sys

import numpy as np

SHAPE = (256, 1024)
# Codec, options, the published figures: standard Gaussian, Laplace, Student t with 5 degrees; None: none published.
TABLE = [
    ("bf16", "", (55.58, 55.56, 55.58)), ("q8_0", "", (45.41, 43.44, 43.38)), ("q6_k", "", (35.01, 33.28, 33.36)),
    ("q5_k", "", (28.84, 27.38, 27.55)), ("q4_k", "", (22.91, 21.45, 21.64)), ("q5_1", "", (28.44, 27.05, 27.25)),
    ("q5_0", "", (27.37, 25.45, 25.38)), ("q4_1", "", (22.12, 20.75, 20.95)), ("q4_0", "", (21.30, 19.44, 19.34)),
    ("q3_k", "", (16.42, 15.09, 15.08)), ("q2_k", "", (10.54, 9.29, 9.54)), ("iq4_nl", "", (22.36, 21.13, 21.04)),
    ("iq4_xs", "", (22.29, 21.06, 20.96)), ("mxfp4", "", (18.76, 17.93, 17.99)), ("nvfp4_tensor", "", (20.41, 20.64, 20.67)),
    ("nf4", "", (20.70, 19.72, 19.56)), ("e4m3", "scope=row", (31.55, 31.59, 31.73)),
    ("e5m2", "scope=row", (25.58, 25.67, 25.73)), ("mxfp8_e4m3", "", (30.62, 30.00, 30.06)),
    ("mxfp8_e5m2", "", (25.35, 25.23, 25.23)), ("mxfp6_e3m2", "", (25.35, 25.23, 25.23)),
    ("mxfp6_e2m3", "", (30.94, 30.25, 30.30)), ("mxint8", "", (41.67, 39.98, 39.93)),
    ("e3m4", "scope=row", (37.60, 37.71, 37.77)), ("e2m5", "scope=row", (43.18, 41.97, 41.16)),
    ("mulaw8", "scope=row", (37.95, 37.95, 38.03)), ("dynamic8", "block=256", (39.26, 37.70, 36.95)),
    ("dynamic8", "block=4096", (37.73, 35.74, 34.26)),
    ("qinsc", "scope=row,levels=127,octaves=7", (38.97, 38.12, 37.68)),
    ("qinsc", "scope=row,levels=127,octaves=8", (37.95, 37.90, 37.94)),
    ("qinsc", "scope=row,levels=254,octaves=8", (43.95, 43.63, 43.50)),
    ("qinsc", "scope=row,levels=254,octaves=10", (42.07, 42.15, 42.21)),
    ("qins8", "scope=tensor", (36.09, 35.54, 35.24)), ("qins8", "scope=row", (40.20, 39.37, 39.70)),
    ("int8", "scope=tensor", (39.97, 34.30, 28.22)), ("int8", "scope=row", (42.02, 38.26, 36.51)),
    ("mxfp4_ocp", "", None), ("nvfp4", "", None), ("nf4", "double_quantisation=true", None), ("fp4", "", None),
    ("fp4", "double_quantisation=true", None), ("posit8", "es=0", None), ("posit8", "es=1", None),
    ("codebook8", "", None), ("codebook4", "", None), ("codebook4", "scope=row", None), ("hqq", "", None), ("int4", "", None), ("int4", "clip=mse", None),
    ("int4", "zero_point=true", None), ("int4", "zero_point=true,clip=mse", None), ("int6", "", None), ("int8_affine", "", None),
    ("posit8", "es=2", None), ("qinsc", "zero=true", None),
]


def matrices():
    return [np.random.default_rng(1).standard_normal(SHAPE).astype("<f4"),
            np.random.default_rng(2).laplace(size=SHAPE).astype("<f4"),
            np.random.default_rng(3).standard_t(5, size=SHAPE).astype("<f4")]


def through(codec, options, x):
    """Bits a weight, and x encoded and decoded."""
    def run(way, data):
        command = [os.environ.get("QINSBENCH", "build/qinsbench"), "codec", codec, way, "--rows", str(SHAPE[0]), "--cols",
                   str(SHAPE[1])] + (["--options", options] if options else [])
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout
    encoded = run("--encode", x.tobytes())
    return 8 * len(encoded) / x.size, np.frombuffer(run("--decode", encoded), "<f4").reshape(SHAPE)


def main():
    off = 0
    print(f"{'codec':13}{'options':32}{'bits':>8}   Gaussian  Laplace       t5   off by at most")
    for codec, options, published in TABLE:
        found = []
        for x in matrices():
            bits, y = through(codec, options, x)
            error = ((x.astype(float) - y) ** 2).sum()
            found.append(10 * np.log10((x.astype(float) ** 2).sum() / error))
        worst = max(abs(a - b) for a, b in zip(found, published)) if published else 0
        off += worst > 0.05
        print(f"{codec:13}{options:32}{bits:8.4f}  " + "".join(f"{v:9.3f}" for v in found) +
              (f"   {worst:.3f}{'  OFF' if worst > 0.05 else ''}" if published else "   none published"), flush=True)
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
