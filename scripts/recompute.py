#!/usr/bin/env python3
"""Recomputes the summary of a result file from its raw arrays by a second implementation, scripts/second/ (NumPy, SciPy, h5py), which
was written from docs/result-file.md.

usage: scripts/recompute.py RESULT.h5 [--plant METRIC | --self-test] [--list N]

For every cell of /cells each metric's value, interval, n and flags are made anew and compared with /summary; what is in one and not
in the other is a finding too. So are arrays that contradict each other, a failed or skipped cell with numbers, and a file whose
SHA-256 is not the one in front of it. Every interval is made anew in full, bootstraps with the program's draws.

Deviations are relative to the larger of the two numbers, of bounds that are not entries themselves to the larger bound, and of an effect
that is a difference of means to the size of its terms. Tolerance: 1e-12, of such effects 1e-13, of bounds 1e-11.

--plant changes one stored value of METRIC by 1e-9: the run must then be red. --self-test does so for every value, bound, n, flag, row
and sentence on arrays in turn, and is red when one of these faults goes unseen.
Exit: 0 all agree; 1 a finding, or a metric of which nothing was checked; 2 usage, or the file cannot be read."""
import argparse
import sys
from collections import Counter

sys.dont_write_bytecode = True

from second import attribute, choice, kl, kv, recall, speed, storage, text  # noqa: F401: they fill METRICS
from second.check import check_arrays, check_summary
from second.faults import plant, plant_in_arrays, plant_in_rows
from second.registry import METRICS
from second.result import FLAGS, Result


def print_table(tallies):
    print(f"{'experiment':15} {'metric':30} {'rows':>5} {'empty':>5} {'value':>5} {'bounds':>6} {'abs':>9} {'rel':>9} {'rel bound':>9}  findings")
    for (experiment, name), t in sorted(tallies.items()):
        if t.rows or t.findings:
            print(f"{experiment:15} {name:30} {t.rows:5} {t.empty:5} {t.values:5} {t.bounds:6} {t.absolute:9.2g} {t.relative:9.2g} "
                  f"{t.relative_bound:9.2g}  {t.findings or ''}")
    print("rows: of the summary; empty: rightly without a number (failed, skipped, absent); value, bounds: recomputed;\n"
          "abs, rel: largest deviation of a value, rel relative to it or to its terms; rel bound: of lo and hi\n")


def print_findings(found, most):
    for place, *texts in found[:most]:
        print("/".join(place) + ": " + ": ".join(texts))
    if len(found) > most:
        print(f"... {len(found) - most} more (--list N)")


def print_counts(result, tallies, tested):
    methods = sum((t.methods for t in tallies.values()), Counter())
    flags = Counter(f for rows in result.rows.values() for row in rows.values() for f in row.flags)
    print("intervals:", ", ".join(f"{n} {m}" for m, n in sorted(methods.items())) or "none")
    print("flags:", ", ".join(f"{flags[f]} {f}" for f in FLAGS))
    print("arrays:", sum(tested.values()), "checks of", sum(n > 0 for n in tested.values()), "sentences")
    present = {experiment for experiment, _ in tallies}
    missing = [f"{e}/{n}" for e, n in METRICS if e in present and not tallies[e, n].values]
    print("no number in this file:", ", ".join(sorted(missing)) or "none",
          "| experiments that it lacks:", ", ".join(sorted({e for e, _ in METRICS} - present)) or "none")


def self_test(result, tested, most):
    """False: a fault went unseen, or there was none to plant."""
    planted, unseen = plant_in_rows(result)
    unseen += plant_in_arrays(result, tested)
    print(f"self-test: {sum(planted.values())} faults planted ({', '.join(f'{n} {w}' for w, n in planted.items())}), {len(unseen)} unseen")
    print_findings(unseen, most)
    return bool(planted) and not unseen


def main():
    arguments = argparse.ArgumentParser(description="Recomputes a result file's summary from its raw arrays.")
    arguments.add_argument("result")
    arguments.add_argument("--plant", metavar="METRIC", help="change one stored value of METRIC by 1e-9 first")
    arguments.add_argument("--self-test", action="store_true", help="plant every kind of fault as well")
    arguments.add_argument("--list", type=int, default=40, metavar="N", help="findings to print")
    options = arguments.parse_args()
    try:
        result = Result(options.result)
    except (OSError, KeyError, ValueError) as e:
        print(f"recompute: {options.result}: {e}", file=sys.stderr)
        return 2
    if options.plant:
        place = plant(result, options.plant)
        if place is None:
            print(f"recompute: no value of '{options.plant}' to plant a fault in", file=sys.stderr)
            return 2
        print(f"planted: {'/'.join(place)}: {options.plant} changed by 1e-9")
    found, tallies = check_summary(result)
    broken, tested = check_arrays(result)
    found += broken
    if not result.digest_fits:
        found.append((("file",), "its SHA-256 is not the one in front of it"))
    print_table(tallies)
    print_findings(found, options.list)
    unchecked = [key for key, t in tallies.items() if t.rows and not t.values and t.empty < t.rows and not t.findings]
    for experiment, name in unchecked:
        print(f"{experiment}/{name}: rows, and nothing of them was checked")
    print_counts(result, tallies, tested)
    rows, values, empty = (sum(getattr(t, k) for t in tallies.values()) for k in ("rows", "values", "empty"))
    seen = not options.self_test or self_test(result, tested, options.list)
    print(f"{values} of {rows} rows recomputed, {empty} rightly empty; {len(found)} findings")
    return 0 if values > 0 and seen and not found and not unchecked else 1


if __name__ == "__main__":
    sys.exit(main())
