"""Figures of a benchmark: named numbers, medians of several rounds."""

import json
import os
import statistics
from collections.abc import Callable, Sequence

Figures = dict[str, float]


def rounds(measure: Callable[[int], Figures], count: int) -> Figures:
    """Measure some times; return the median of each figure, and the load of the machine."""
    return medians([measure(number) for number in range(count)])


def medians(found: Sequence[Figures]) -> Figures:
    figures = {name: statistics.median(each[name] for each in found) for name in found[0]}
    return figures | {"load_average": os.getloadavg()[0]}


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that so much of all is not above: 0.95 for p95."""
    return sorted(values)[int(share * (len(values) - 1))]


def show(figures: Figures, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:<44}{value:>12.3f}")
