"""Faults on purpose: each must turn a check red."""
import math
from collections import Counter

import numpy as np
from second.arrays import CHECKS
from second.check import Tally, check_row
from second.result import FLAGS


def changed(x, scale=0.0):
    """By 1e-9 of x, or of the terms that it is a difference of."""
    return x + 1e-9 * (max(abs(x), scale) or 1)


def plant(result, name):
    """Changes one value of the metric; its place, or None when it has none."""
    for place, rows in result.rows.items():
        if name in rows and math.isfinite(rows[name].value):
            e = result.estimate(place, name)
            rows[name].value = changed(rows[name].value, e.scale if e else 0.0)
            return place
    return None


def faults(row, e, state):
    """The name of each fault that can be planted in a row, which has it when it is yielded."""
    for word in ("value", "lo", "hi"):
        before = getattr(row, word)
        if math.isfinite(before):
            setattr(row, word, changed(before, e.scale if word == "value" else e.bound_scale()))
            yield word
            setattr(row, word, before)
    row.n += 1
    yield "n"
    row.n -= 1
    for flag in FLAGS if state == "done" else ("failed", "skipped", "no-interval"):
        row.flags ^= {flag}
        yield flag
        row.flags ^= {flag}


def plant_in_rows(result):
    """In a clean row of each metric, with and without an interval. (how many faults of each name, those that went unseen)."""
    planted, unseen, seen = Counter(), [], set()
    for place, rows in result.rows.items():
        state = result.cells[place].state
        for name, row in list(rows.items()):
            kind = (place[2], name, state, math.isnan(row.lo))
            if kind in seen or check_row(result, place, name, Tally()):
                continue
            seen.add(kind)
            e = result.estimate(place, name)
            for what in faults(row, e, state):
                planted[what] += 1
                unseen += [(place, name, what)] * (not check_row(result, place, name, Tally()))
            if state == "done" and e is not None:
                del rows[name]
                planted["no row"] += 1
                unseen += [(place, name, "no row")] * (not check_row(result, place, name, Tally()))
                rows[name] = row
    return planted, unseen


def breaks(cell, reference, holds):
    """Does the first number of some array, changed, make a sentence untrue that was true?"""
    if not holds(cell, reference):
        return False
    for name in cell:
        before = cell[name]
        if before.dtype.kind in "iuf" and before.size:
            x = np.array(before)
            at = np.argmax(~np.isnan(x)) if x.dtype.kind == "f" else 0  # the first that is a number
            factor = -1000 if x.dtype.kind == "f" else -1
            x.flat[at] = x.flat[at] ^ 1 if x.dtype.kind == "u" else factor * x.flat[at] if x.flat[at] else 1
            cell.read[name] = x
            broken = holds(cell, reference) is False
            cell.read[name] = before
            if broken:
                return True
    return False


def plant_in_arrays(result, tested):
    """Sentences on arrays that no change of a number makes untrue."""
    unseen = []
    for experiment, sentence in (key for key, times in tested.items() if times and key[1] in dict(CHECKS[key[0]])):
        holds = dict(CHECKS[experiment])[sentence]
        cells = [c for p, c in result.cells.items() if p[2] == experiment and p[1] != "reference" and c.state == "done"]
        if not any(breaks(c, result.cells.get((c.place[0], "reference", experiment)), holds) for c in cells):
            unseen.append(((experiment,), "cannot be broken: " + sentence))
    return unseen
