"""The summary against the second implementation, and arrays against each other. Findings are (place, text...)."""
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
from second.arrays import CHECKS, SAME
from second.registry import METRICS


@dataclass
class Tally:
    rows: int = 0
    values: int = 0  # recomputed
    bounds: int = 0  # of these, with an interval
    empty: int = 0  # rows that rightly hold no number
    absolute: float = 0.0  # largest deviations of values, and of bounds
    relative: float = 0.0
    relative_bound: float = 0.0
    findings: int = 0
    methods: Counter = field(default_factory=Counter)


def deviation(a, b, scale):
    """(absolute, relative to the larger of a, b and scale); 0 for equal numbers, infinities and NaNs included."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0, 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf, math.inf
    return abs(a - b), abs(a - b) / max(abs(a), abs(b), scale)


def is_unresolved(result, place, name, value):
    identity, cell = METRICS[place[2], name].identity, result.cells[place]
    if identity is None or value == identity or place[2] in ("speed", "memory") or cell.floor() != "none":
        return False
    floor = result.arithmetic(place[0], place[2], name)
    return floor is not None and abs(value - identity) <= abs(floor.value - identity)


def is_degenerate(result, place, name):
    if place[2] == "attribute":  # takes apart the KL of the variant's teacher-forced cell, and is void with it
        whole = (place[0], place[1], "teacher-forced")
        return whole in result.cells and result.cells[whole].state == "done" and is_degenerate(result, whole, "kl_mean")
    void = METRICS[place[2], name].degenerate
    if not void:
        return False
    moves = result.arithmetic(place[0], "teacher-forced", "max_logit_diff") if place[2] == "greedy" else None
    margin = result.estimate(place, "reference_margin_median") if moves else None
    return bool(void(result.cells[place])) or (margin is not None and margin.value < moves.value)


def is_biased(result, place, turns):
    """Does the interval of FP32 over FP32 leave 1 out?"""
    e = result.estimate(place, turns) if turns else None
    return e is not None and not math.isnan(e.lo) and not e.lo <= 1 <= e.hi


def tells_answer(cell, metric):
    return metric.contaminated is not None and bool(metric.contaminated(cell))


def expected_flags(result, place, name, e):
    cell, infinite = result.cells[place], METRICS[place[2], name].infinite
    says = {
        "degenerate": is_degenerate(result, place, name),
        "nonfinite": math.isnan(e.value) or (math.isinf(e.value) and not infinite),
        "no-interval": math.isnan(e.lo),
        "unresolved": is_unresolved(result, place, name, e.value),
        "contaminated": cell.get("calibration_overlap", 0) > 0 or tells_answer(cell, METRICS[place[2], name]),
        "biased": is_biased(result, place, METRICS[place[2], name].turns),
    }
    return {flag for flag, true in says.items() if true}


def check_row(result, place, name, tally):
    """Texts of what is wrong with one metric of one cell; arrays that it needs may be missing, or of another shape."""
    try:
        return compare_row(result, place, name, tally)
    except (KeyError, IndexError, TypeError, ValueError) as e:
        return [f"cannot be recomputed: {type(e).__name__}: {e}"]


def check_absent_flags(result, place, name, row):
    """A value that is not there is no number of any kind; what is true of its whole cell may stand beside it."""
    expected = {"absent", "no-interval"}
    expected |= {"contaminated"} if result.cells[place].get("calibration_overlap", 0) > 0 else set()
    expected |= {"degenerate"} if "degenerate" in row.flags and is_degenerate(result, place, name) else set()
    return [] if row.flags == expected else [f"flags {sorted(row.flags)}, recomputed {sorted(expected)}"]


def compare_row(result, place, name, tally):
    row, cell = result.rows[place].get(name), result.cells.get(place)
    if cell is None:
        return ["a row without a cell"]
    if cell.state != "done":
        return check_empty(row, cell, tally)
    if (place[2], name) not in METRICS:
        return ["no second implementation of this metric"]
    e = result.estimate(place, name)
    if row is None or "absent" in row.flags:
        tally.empty += row is not None
        found = check_without_number(row) + check_absent_flags(result, place, name, row) if row is not None else []
        return found + ([f"no value, recomputed {e.value!r}"] if e is not None else [])
    if e is None:
        return [f"{row.value!r}, recomputed: no such number"]
    found = check_numbers(row, e, METRICS[place[2], name], tally)
    expected = expected_flags(result, place, name, e)
    if row.flags != expected:
        found.append(f"flags {sorted(row.flags)}, recomputed {sorted(expected)}")
    return found


def check_numbers(row, e, metric, tally):
    found = []
    absolute, relative = deviation(row.value, e.value, e.scale)
    tally.values += 1
    tally.absolute, tally.relative = max(tally.absolute, absolute), max(tally.relative, relative)
    if not relative <= metric.tolerance:
        found.append(f"value {row.value!r}, recomputed {e.value!r} (relative {relative:.2g})")
    if not math.isnan(e.lo):
        tally.bounds += 1
        tally.methods[e.method] += 1
    for word, a, b in (("lo", row.lo, e.lo), ("hi", row.hi, e.hi)):
        relative = deviation(a, b, e.bound_scale())[1]
        tally.relative_bound = max(tally.relative_bound, relative)
        if not relative <= metric.bounds:
            found.append(f"{word} {a!r}, recomputed {b!r} ({e.method}, relative {relative:.2g})")
    if ("no-interval" in row.flags) != (math.isnan(row.lo) and math.isnan(row.hi)):
        found.append(f"flags {sorted(row.flags)} with bounds {row.lo!r}, {row.hi!r}")
    if row.lo > row.value or row.hi < row.value:
        found.append(f"value {row.value!r} outside of its interval [{row.lo!r}, {row.hi!r}]")
    if row.n != e.n:
        found.append(f"n {row.n}, recomputed {e.n}")
    return found


def check_without_number(row):
    wrong = {
        "a number where there is none": row.n != 0 or not all(map(math.isnan, (row.value, row.lo, row.hi))),
        "without the flag no-interval": "no-interval" not in row.flags,
        "without a reason": not row.note,
    }
    return [text for text, true in wrong.items() if true]


def check_empty(row, cell, tally):
    """A row of a failed or skipped cell holds no number, and says why."""
    tally.empty += 1
    states = row.flags & {"failed", "skipped"}
    found = [f"flagged {sorted(states)}"] if states != {cell.state} else []
    return [f"the cell is {cell.state}: {text}" for text in found + check_without_number(row)]


def check_summary(result):
    """(findings, a tally for each metric)."""
    found, tallies = [], defaultdict(Tally)
    known = {(place[2], name) for place, rows in result.rows.items() for name in rows}  # to the program that wrote the file
    for place in sorted(set(result.cells) | set(result.rows)):
        shown = set(result.rows[place])
        if place[1] == "reference":  # what the others are measured against has no metrics
            found += [(place, name, "the reference has a row") for name in shown]
            continue
        done = place in result.cells and result.cells[place].state == "done"
        if not shown:
            found.append((place, "not one row"))
        for name in sorted(shown | {n for e, n in METRICS if done and e == place[2] and (e, n) in known}):
            tally = tallies[place[2], name]
            texts = check_row(result, place, name, tally)
            tally.rows += name in shown
            tally.findings += len(texts)
            found += [(place, name, text) for text in texts]
    return found + [(place, name, "two rows") for place, name in result.twice], tallies


def check_arrays(result):
    """(findings, how often each sentence on arrays was tested)."""
    found, tested, first = [], Counter(), {}
    for place, cell in result.cells.items():
        if cell.state != "done":
            found += [(place, f"the cell is {cell.state} and has arrays: {', '.join(cell)}")] * (len(cell.group) > 0)
            continue
        if place[1] == "reference":
            continue
        for sentence, holds in CHECKS.get(place[2], []):
            try:
                answer = holds(cell, result.cells.get((place[0], "reference", place[2])))
            except (KeyError, IndexError, TypeError, ValueError) as e:
                answer = None
                found.append((place, f"cannot be tested ({type(e).__name__}: {e}): {sentence}"))
            tested[place[2], sentence] += answer is not None
            if answer is False:
                found.append((place, "not so: " + sentence))
        check_same(place, cell, first.setdefault((place[0], place[2]), cell), found, tested)
    return found, tested


def check_same(place, cell, first, found, tested):
    """Against the first cell of the model and experiment."""
    for name in SAME.get(place[2], ()) if cell is not first else ():
        if name in cell and name in first:
            tested[place[2], name + " is the same of all variants"] += 1
            if not np.array_equal(cell[name], first[name], equal_nan=cell[name].dtype.kind == "f"):
                found.append((place, f"{name} is not that of {first.place[1]}"))
