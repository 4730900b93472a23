"""A result file as docs/result-file.md lays it out: cells with their arrays, and the rows of the summary."""
import hashlib
from collections import defaultdict
from dataclasses import dataclass

import h5py
import numpy as np
from second.registry import METRICS

FLAGS = ("degenerate", "nonfinite", "failed", "skipped", "no-interval", "unresolved", "contaminated", "absent", "biased")


class Cell:
    """Arrays by name, read when asked for."""

    def __init__(self, place, group):
        self.place, self.group, self.read = place, group, {}
        self.state = group.attrs["state"].decode()

    def __contains__(self, name):
        return name in self.group

    def __iter__(self):
        return iter(self.group)

    def __getitem__(self, name):
        if name not in self.read:
            self.read[name] = self.group[name][()]
        return self.read[name]

    def get(self, name, otherwise=None):
        return self[name] if name in self else otherwise

    def floor(self):
        """What the variant is by its definition: the attribute `floor`, or in files without it the shipped name."""
        given, name = self.group.attrs.get("floor"), self.place[1]
        if given is not None:
            return given.decode().strip("\0") or "none"
        return name if name in ("fp32", "fp32-reordered", "fp16", "bf16") else "none"


@dataclass
class Row:
    value: float
    lo: float
    hi: float
    n: int
    flags: set
    note: str


class Result:
    def __init__(self, path):
        self.cells, self.rows, self.twice, self.estimates = {}, defaultdict(dict), [], {}
        self.digest_fits = digest_fits(path)
        self.h5 = h5py.File(path)
        for model, variants in self.h5["cells"].items():
            for variant, experiments in variants.items():
                for experiment, group in experiments.items():
                    place = (model, variant, experiment)
                    self.cells[place] = Cell(place, group)
        for r in self.h5["summary"][:]:
            place, name = tuple(r[k].decode() for k in ("model", "variant", "experiment")), r["metric"].decode()
            if name in self.rows[place]:
                self.twice.append((place, name))
            flags = set(filter(None, r["flags"].decode().split(",")))
            self.rows[place][name] = Row(float(r["value"]), float(r["lo"]), float(r["hi"]), int(r["n"]), flags, r["note"].decode())

    def estimate(self, place, name):
        """The second implementation's; None: the cell has no such number."""
        if (place, name) not in self.estimates:
            cell = self.cells.get(place)
            there = cell is not None and cell.state == "done" and (place[2], name) in METRICS
            with np.errstate(all="ignore"):
                self.estimates[place, name] = METRICS[place[2], name].compute(cell) if there else None
        return self.estimates[place, name]

    def arithmetic(self, model, experiment, name):
        """The estimate of FP32 with its sums in another order; None where the model has none."""
        for place, cell in self.cells.items():
            if place[0] == model and place[2] == experiment and cell.floor() in ("fp32-reordered", "arithmetic"):
                return self.estimate(place, name)
        return None


def digest_fits(path):
    """The first 512 bytes hold the SHA-256 of all bytes behind them."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        head = f.read(512)
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest().encode() in head
