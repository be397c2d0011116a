"""jq's building blocks: each makes a filter, which takes a value and gives a stream of values.

Used by ``reading``, which puts them together, and ``library``. Streams are lazy; every step is paid for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from workflow.expressions.data import Datum
from workflow.expressions.jq.operations import Operation, indexed, sliced
from workflow.expressions.jq.values import (
    JqError,
    added,
    as_string,
    fitted,
    items_of,
    kind,
    number,
    true,
)
from workflow.expressions.limits import Budget


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a filter: the purse, and the variables by name without ``$``."""

    budget: Budget
    variables: dict[str, Datum]

    def having(self, name: str, value: Datum) -> Frame:
        """This frame with one more variable."""
        return Frame(self.budget, {**self.variables, name: value})


Filter: TypeAlias = Callable[[Datum, Frame], Iterator[Datum]]


def identity(value: Datum, frame: Frame) -> Iterator[Datum]:
    """``.``"""
    frame.budget.spend(1)
    yield value


def constant(known: Datum) -> Filter:
    """A literal."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        frame.budget.spend(1)
        yield known

    return filtered


def variable(name: str) -> Filter:
    """``$name``; that it exists has been checked."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        frame.budget.spend(1)
        yield frame.variables[name]

    return filtered


def of_value(function: Callable[[Datum, Budget], Datum]) -> Filter:
    """A function of the input as a filter."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        frame.budget.spend(1)
        yield function(value, frame.budget)

    return filtered


def piped(first: Filter, then: Filter) -> Filter:
    """``first | then``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for between in first(value, frame):
            yield from then(between, frame)

    return filtered


def both(first: Filter, second: Filter) -> Filter:
    """``first, second``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        yield from first(value, frame)
        yield from second(value, frame)

    return filtered


def bound(source: Filter, name: str, body: Filter) -> Filter:
    """``source as $name | body``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for known in source(value, frame):
            yield from body(value, frame.having(name, known))

    return filtered


def reduced(source: Filter, name: str, start: Filter, update: Filter) -> Filter:
    """``reduce source as $name (start; update)``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for state in start(value, frame):
            current: Datum = state
            for item in source(value, frame):
                results = deque(update(current, frame.having(name, item)), maxlen=1)
                current = results[0] if results else None
            yield current

    return filtered


def chosen(condition: Filter, then: Filter, otherwise: Filter) -> Filter:
    """``if condition then ... else ... end``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for known in condition(value, frame):
            yield from (then if true(known) else otherwise)(value, frame)

    return filtered


def attempted(tried: Filter, caught: Filter | None) -> Filter:
    """``try tried catch caught``; ``tried?`` without."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        try:
            yield from tried(value, frame)
        except JqError as error:
            problem = error
        else:
            return
        if caught is not None:
            yield from caught(problem.value, frame)

    return filtered


def alternative(first: Filter, second: Filter) -> Filter:
    """``first // second``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        found = False
        for known in first(value, frame):
            if true(known):
                found = True
                yield known
        if not found:
            yield from second(value, frame)

    return filtered


def logical(first: Filter, second: Filter, decided: bool) -> Filter:
    """``and`` (decided by False) and ``or`` (decided by True)."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for left in first(value, frame):
            if true(left) is decided:
                yield decided
            else:
                for right in second(value, frame):
                    yield true(right)

    return filtered


def operator(operation: Operation) -> Callable[[Filter, Filter], Filter]:
    """An operator with two operands: every pair, the right one changing slower."""

    def combined(first: Filter, second: Filter) -> Filter:
        def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
            for right in second(value, frame):
                for left in first(value, frame):
                    frame.budget.spend(1)
                    yield operation(left, right, frame.budget)

        return filtered

    return combined


def indexed_by(source: Filter, key: Filter, optional: bool = False) -> Filter:
    """``source[key]``; the key is asked of the same input. ``optional`` leaves out what cannot be indexed."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for container in source(value, frame):
            for known in key(value, frame):
                frame.budget.spend(1)
                try:
                    found = indexed(container, known, frame.budget)
                except JqError:
                    if not optional:
                        raise
                else:
                    yield found

    return filtered


def sliced_by(source: Filter, start: Filter, end: Filter, optional: bool = False) -> Filter:
    """``source[start:end]``; ``optional`` leaves out what cannot be sliced."""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for container in source(value, frame):
            for last in end(value, frame):
                for first in start(value, frame):
                    try:
                        found = sliced(container, first, last, frame.budget)
                    except JqError:
                        if not optional:
                            raise
                    else:
                        yield found

    return filtered


def negated(operand: Filter) -> Filter:
    """``-operand``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for known in operand(value, frame):
            yield fitted(-number(known, "be negated"))

    return filtered


def affirmed(operand: Filter) -> Filter:
    """``+operand``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        for known in operand(value, frame):
            yield number(known, "have a sign")

    return filtered


def collected(items: Filter | None) -> Filter:
    """``[items]``"""

    def filtered(value: Datum, frame: Frame) -> Iterator[Datum]:
        frame.budget.spend(1)
        found: list[Datum] = []
        for item in items(value, frame) if items else ():
            frame.budget.spend(1)
            found.append(item)
        yield found

    return filtered


def built(fields: Sequence[tuple[Filter, Filter]]) -> Filter:
    """``{key: value, ...}``: every combination."""

    def filtered(value: Datum, frame: Frame, index: int = 0) -> Iterator[Datum]:
        if index == len(fields):
            frame.budget.spend(1)
            yield {}
            return
        keys, values = fields[len(fields) - 1 - index]
        for rest in filtered(value, frame, index + 1):
            for key in keys(value, frame):
                if not isinstance(key, str):
                    raise JqError(f"an object's key must be a string, not {kind(key)}")
                for item in values(value, frame):
                    assert isinstance(rest, dict)
                    frame.budget.spend(1 + len(rest))
                    yield {**rest, key: item}

    return filtered


def interpolated(parts: Sequence[str | Filter]) -> Filter:
    """A string with ``\\(filter)`` in it."""

    def filtered(value: Datum, frame: Frame, index: int = 0) -> Iterator[Datum]:
        if index == len(parts):
            yield ""
            return
        part = parts[len(parts) - 1 - index]
        for rest in filtered(value, frame, index + 1):
            for known in (part,) if isinstance(part, str) else part(value, frame):
                yield added(rest, as_string(known, frame.budget), frame.budget)

    return filtered


def every(value: Datum, frame: Frame) -> Iterator[Datum]:
    """``.[]``"""
    for item in items_of(value, "be taken apart"):
        frame.budget.spend(1)
        yield item


def every_if_any(value: Datum, frame: Frame) -> Iterator[Datum]:
    """``.[]?``"""
    if isinstance(value, (list, dict)):
        yield from every(value, frame)


def descended(value: Datum, frame: Frame) -> Iterator[Datum]:
    """``..``"""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        frame.budget.spend(1)
        yield one
        if isinstance(one, (list, dict)):
            waiting.extend(reversed(items_of(one, "be taken apart")))
