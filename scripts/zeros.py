#!/usr/bin/env python3
"""A copy of a model's folder (Hugging Face's form, one model.safetensors) in which a share of each matrix's weights is exactly 0:

    scripts/zeros.py data/models/tiny-llama 0.05 models/tiny-llama-zeros-5

The weights are drawn at random by each tensor's own seed (NumPy's PCG64, --seed and the tensor's place), the same ones first at every share;
with --least those of least magnitude are taken instead, as pruning does, with --rows whole rows. Vectors (norms, biases) stay. The folder must be new. Needs NumPy and
safetensors."""
import argparse
import pathlib
import shutil

import numpy as np
from safetensors.numpy import load_file, save_file


def zeroed(w, share, rng, least, rows):
    if w.ndim != 2:
        return w
    if rows:
        w = w.copy()
        w[rng.permutation(len(w))[:round(share * len(w))]] = 0
        return w
    rank = np.abs(w.astype(np.float32)).ravel() if least else rng.random(w.size)
    w = w.copy()
    w.ravel()[np.argsort(rank, kind="stable")[:round(share * w.size)]] = 0
    return w


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("share", type=float)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--least", action="store_true")
    which.add_argument("--rows", action="store_true")
    a = parser.parse_args()
    if not 0 <= a.share <= 1:
        parser.error(f"share {a.share}: expected 0 to 1")
    tensors = load_file(a.model / "model.safetensors")
    a.output.mkdir()  # an old one is not written over
    for file in a.model.iterdir():
        if file.is_file() and file.suffix != ".safetensors":
            shutil.copy(file, a.output)
    made = {name: zeroed(w, a.share, np.random.default_rng([a.seed, i]), a.least, a.rows) for i, (name, w) in enumerate(sorted(tensors.items()))}
    save_file(made, a.output / "model.safetensors", metadata={"format": "pt"})
    matrices = [w for w in made.values() if w.ndim == 2]
    print(f"{a.output}: {sum((w == 0).sum() for w in matrices)} of {sum(w.size for w in matrices)} weights of matrices are 0")


if __name__ == "__main__":
    main()
