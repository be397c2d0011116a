"""jq's functions that loop, ask, or walk into a value: ``until``, ``paths``, ``walk``, ``transpose`` and the like.

Used by ``reading`` beside ``streams``. Every step is paid for, so that a loop without an end runs out of its purse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from workflow.expressions.data import Datum
from workflow.expressions.jq.filters import Filter, Frame, collected, of_value, operator, piped
from workflow.expressions.jq.forms import power
from workflow.expressions.jq.operations import indexed
from workflow.expressions.jq.streams import OfFilters, with_argument
from workflow.expressions.jq.values import JqError, added, array, compared, items_of, kind, number, true
from workflow.expressions.limits import MAX_VALUE_DEPTH, Budget


def _until(test: Filter, change: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        waiting = [value]
        while waiting:
            one = waiting.pop()
            for done in test(one, frame):
                frame.budget.spend(1)
                if true(done):
                    yield one
                else:
                    waiting.extend(reversed(_all(change(one, frame), frame.budget)))

    return filtered


def _while(test: Filter, change: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        waiting = [value]
        while waiting:
            one = waiting.pop()
            for going in test(one, frame):
                frame.budget.spend(1)
                if true(going):
                    yield one
                    waiting.extend(reversed(_all(change(one, frame), frame.budget)))

    return filtered


def _all(stream: Iterator[Datum], budget: Budget) -> list[Datum]:
    found: list[Datum] = []
    for one in stream:
        budget.spend(1)
        found.append(one)
    return found


def _walked(change: Filter) -> Filter:
    def inside(value: Datum, frame: Frame, depth: int) -> Iterator[Datum]:
        frame.budget.spend(1)
        if depth > MAX_VALUE_DEPTH:
            raise JqError("the value is nested too deeply")
        if isinstance(value, list):
            value = [known for item in value for known in inside(item, frame, depth + 1)]
        elif isinstance(value, dict):
            walked = {key: list(inside(item, frame, depth + 1))[:1] for key, item in value.items()}
            value = {key: found[0] for key, found in walked.items() if found}
        yield from change(value, frame)

    return lambda value, frame: inside(value, frame, 0)


def _nth(place: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for index in place(value, frame):
            yield indexed(value, index, frame.budget)

    return filtered


def _skipped(count: Filter, source: Filter, *, only_one: bool = False) -> Filter:
    """What ``source`` gives after so many values: all of it, or the first one."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for most in count(value, frame):
            left = number(most, "be a count")
            if left < 0:
                raise JqError("there are no values before the first")
            for at, one in enumerate(source(value, frame)):
                frame.budget.spend(1)
                if at >= left:
                    yield one
                    if only_one:
                        break

    return filtered


def _stepped(start: Filter, end: Filter, step: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for by in step(value, frame):
            for last in end(value, frame):
                for first in start(value, frame):
                    yield from _steps(first, last, by, frame.budget)

    return filtered


def _steps(first: Datum, last: Datum, by: Datum, budget: Budget) -> Iterator[Datum]:
    current, limit, width = (number(one, "make a range") for one in (first, last, by))
    while (current < limit) if width > 0 else (current > limit and width < 0):
        budget.spend(1)
        yield current
        current += width


def _among(source: Filter, wanted: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        known = _all(wanted(value, frame), frame.budget)
        yield any(compared(one, other, frame.budget) == 0 for one in source(value, frame) for other in known)

    return filtered


def _is_empty(source: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        yield next(source(value, frame), _NOTHING) is _NOTHING

    return filtered


_NOTHING: Final[Datum] = [None]  # known by its identity


def _sum_of(source: Filter) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        total: Datum = None
        for one in source(value, frame):
            frame.budget.spend(1)
            total = added(total, one, frame.budget)
        yield total

    return filtered


def _paths(wanted: Filter | None) -> Filter:
    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for path, one in _ways(value, frame.budget):
            if wanted is None or any(true(known) for known in wanted(one, frame)):
                yield path

    return filtered


def _ways(value: Datum, budget: Budget) -> Iterator[tuple[list[Datum], Datum]]:
    """Every path below a value, and what stands there, outer ones first."""
    waiting: list[tuple[list[Datum], Datum]] = [([], value)]
    while waiting:
        path, one = waiting.pop()
        budget.spend(1 + len(path))
        if path:
            yield path, one
        keys: list[Datum] = []
        if isinstance(one, dict):
            keys = [*sorted(one, reverse=True)]
        elif isinstance(one, list):
            keys = [*reversed(range(len(one)))]
        waiting.extend(([*path, key], indexed(one, key, budget)) for key in keys)


def _at_path(value: Datum, path: Datum, budget: Budget) -> Datum:
    for key in array(path, "be a path"):
        budget.spend(1)
        if value is None:
            return None
        value = indexed(value, key, budget)
    return value


def _transposed(value: Datum, budget: Budget) -> Datum:
    rows = [array(row, "be transposed") for row in array(value, "be transposed")]
    width = max(map(len, rows), default=0)
    budget.items(1 + width * len(rows))
    return [[row[place] if place < len(row) else None for row in rows] for place in range(width)]


def _combined(value: Datum, frame: Frame) -> Iterator[Datum]:
    rows = [items_of(row, "be combined") for row in array(value, "be combined")]
    frame.budget.items(math.prod(map(len, rows)) * (1 + len(rows)))

    def rest(place: int) -> Iterator[list[Datum]]:
        if place == len(rows):
            yield []
            return
        for one in rows[place]:
            for others in rest(place + 1):
                frame.budget.spend(1)
                yield [one, *others]

    yield from rest(0)


def _indices(value: Datum, part: Datum, budget: Budget) -> Datum:
    """Every place of an item in a list, of a list in a list, of a text in a text."""
    if value is None:
        return None
    if isinstance(value, str) and isinstance(part, str):
        budget.spend(1 + len(value))
        places = range(len(value) - len(part) + 1) if part else ()
        return [place for place in places if value.startswith(part, place)]
    items = array(value, "be searched")
    sought = part if isinstance(part, list) else [part]
    if not sought:
        return None
    budget.items(len(items) * len(sought))
    return [
        place
        for place in range(len(items) - len(sought) + 1)
        if all(compared(items[place + at], one, budget) == 0 for at, one in enumerate(sought))
    ]


def _in(value: Datum, container: Datum, budget: Budget) -> Datum:
    if isinstance(container, dict) and isinstance(value, str):
        return value in container
    if isinstance(container, list):
        return 0 <= number(value, "be an index") < len(container)
    raise JqError(f"{kind(container)} has no key by {kind(value)}")


STREAMS_FURTHER: Final[dict[str, Filter]] = {
    "paths": _paths(None),
    "combinations": _combined,
    "transpose": of_value(_transposed),
}
"""Filters without arguments."""

FILTERS_FURTHER: Final[dict[tuple[str, int], OfFilters]] = {
    ("until", 2): _until,
    ("while", 2): _while,
    ("repeat", 1): lambda change: _while(of_value(lambda value, _: True), change),
    ("walk", 1): _walked,
    ("nth", 1): _nth,
    ("nth", 2): lambda place, source: _skipped(place, source, only_one=True),
    ("skip", 2): _skipped,
    ("range", 3): _stepped,
    ("IN", 1): lambda wanted: _among(of_value(lambda value, _: value), wanted),
    ("IN", 2): _among,
    ("isempty", 1): _is_empty,
    ("add", 1): _sum_of,
    ("paths", 1): _paths,
    ("getpath", 1): lambda path: with_argument(path, _at_path),
    ("indices", 1): lambda part: with_argument(part, _indices),
    ("in", 1): lambda container: with_argument(container, _in),
    ("pow", 2): operator(power),
    ("combinations", 1): lambda count: piped(collected(_times(count)), _combined),
}
"""Functions with filters as arguments, by name and number of arguments."""


def _times(count: Filter) -> Filter:
    """The input, so many times."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for most in count(value, frame):
            left = number(most, "be a count")
            while left > 0:
                frame.budget.spend(1)
                yield value
                left -= 1

    return filtered
