"""The table that the benchmarks print: a row a figure, with its goal beside it. Used by every module of tests.bench."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``met`` is None where there is no goal."""

    name: str
    seen: str
    goal: str = ""
    met: bool | None = None


Measure = Callable[[Path], Coroutine[None, None, list[Row]]]
"""Takes figures; the folder is its own, on the disk that is meant."""


def p50(values: list[float]) -> float:
    """The median."""
    return median(values)


def p99(values: list[float]) -> float:
    """The value that one in a hundred exceeds."""
    return sorted(values)[min(len(values) - 1, round(len(values) * 0.99))]


def spread(seconds: list[float]) -> str:
    """p50 and p99 in milliseconds."""
    return f"p50 {p50(seconds) * 1e3:8.2f} ms   p99 {p99(seconds) * 1e3:8.2f} ms"


def header() -> None:
    """What stands above the table."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    sys.stdout.write(f"{os.cpu_count()} cores, load average {load} before the first figure\n")


def show(title: str, rows: list[Row]) -> None:
    """One part of the table."""
    sys.stdout.write(f"\n{title}\n")
    for row in rows:
        mark = {None: "", True: f"goal {row.goal}: met", False: f"goal {row.goal}: NOT met"}[row.met]
        sys.stdout.write(f"  {row.name:<44} {row.seen:<48} {mark}".rstrip() + "\n")
    sys.stdout.flush()


def alone(title: str, measure: Measure) -> None:
    """Run one module by itself."""
    header()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        show(title, asyncio.run(measure(Path(folder))))
