#!/usr/bin/env python3
"""Draws of PyTorch's CPU generator. Writes torch_random.json.

A case is a seed and a list of draws made one after another from one generator. normal into n >= 16 floats takes n uniforms (and 16 more
when n is no multiple of 16); into n < 16 floats PyTorch uses another path: Box-Muller in double from two 53-bit uniforms, the
second value of a pair cached in the generator and used by the next draw of that path. A cached value survives any draws of other kinds between.
"""
import json
import pathlib

import torch

import source_protocol as sp

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = (0, 42, 4294967295)


def draw(kind, n, a, b):
    if kind == "randint":
        values = torch.randint(0, b, (n,)).tolist()
    else:
        x = torch.empty(n)
        values = (x.uniform_(a, b) if kind == "uniform" else x.normal_(a, b)).tolist()
    return {"kind": kind, "n": n, "a": a, "b": b, "values": values}


def sequences():
    yield "uniform 37", [("uniform", 37, 0.0, 1.0)]
    yield "uniform scaled", [("uniform", 16, -0.3, 0.7)]
    for n in (1, 5, 15, 16, 17, 31, 32, 100):
        yield f"normal {n}", [("normal", n, 0.0, 1.0)]
    yield "normal scaled", [("normal", 40, 0.25, 0.02)]
    for v in (2, 5000, 50257):
        yield f"randint {v}", [("randint", 20, 0, v)]
    yield "mixed", [("normal", 17, 0.0, 1.0), ("randint", 6, 0, 5000), ("uniform", 6, 0.0, 1.0)]
    yield "two short normals", [("normal", 5, 0.0, 1.0), ("normal", 5, 0.0, 1.0), ("uniform", 3, 0.0, 1.0)]
    yield "cached normal over others", [("normal", 3, 0.0, 1.0), ("uniform", 2, 0.0, 1.0), ("normal", 16, 0.0, 1.0), ("randint", 2, 0, 5000),
                                        ("normal", 2, 0.0, 1.0)]
    yield "past one state block", [("uniform", 700, -1.0, 1.0), ("normal", 20, 0.0, 1.0)]


def main():
    cases = []
    for seed in SEEDS:
        for name, draws in sequences():
            torch.manual_seed(seed)
            made = [draw(*d) for d in draws]
            for d in made:
                if d["n"] > 200:
                    d["head"], d["tail"] = d["values"][:8], d.pop("values")[-4:]
            cases.append({"seed": seed, "name": name, "draws": made})
    text = json.dumps({"origin": sp.origin("make_torch_random.py", f"cpu capability {torch.backends.cpu.get_cpu_capability()}"),
                       "arguments": "uniform: from a to b; normal: mean a, std b; randint: 0 to b-1", "cases": cases})
    (HERE / "torch_random.json").write_text(text.replace('{"seed"', '\n{"seed"') + "\n")


if __name__ == "__main__":
    main()
