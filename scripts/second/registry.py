"""METRICS[experiment, name]: how a number of the summary follows from the raw arrays of its cell. A function returns an Estimate, or None
where the cell has no such number."""
from dataclasses import dataclass
from typing import Callable, Optional

from second import statistics as st

METRICS = {}


@dataclass
class Metric:
    compute: Callable  # of a cell: arrays by name
    identity: Optional[float] = None  # of identical arms; with one, a value may be `unresolved`
    degenerate: Optional[Callable] = None  # of a cell: is a comparison of its arms void?
    contaminated: Optional[Callable] = None  # of a cell: does the prompt tell the answer?
    infinite: bool = False  # an infinite value is legal
    turns: Optional[str] = None  # the ratio of FP32 over FP32 in the turns that it is told by: void where that is not 1
    tolerance: float = 1e-12  # of a value, relative to it, or to the terms that it is a difference of
    bounds: float = 1e-11  # of lo and hi: Student's and normal quantiles of two libraries agree to 12 digits


def entry(experiment, name, function, **facts):
    METRICS[experiment, name] = Metric(function, **facts)


def metric(experiment, name, **facts):
    """The same for a function of its own: a decorator."""
    return lambda function: entry(experiment, name, function, **facts) or function


def needs(cell, *names):
    return all(name in cell and cell[name].size > 0 for name in names)


def copied(array):
    """A number that the cell recorded as such."""
    return lambda c: st.exact(c[array]) if array in c else None
