"""floor, ceil, round: whole numbers, and range, a list of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from workflow.expressions.data import Datum
from workflow.expressions.errors import ExpressionError
from workflow.expressions.functions.calling import Builtin, counted
from workflow.expressions.limits import MAX_ITEMS, Budget
from workflow.expressions.numbers import integer_of, rounded
from workflow.expressions.values import integer, number_of

_WRAP: Final = 2**63
"""Whole numbers are of 64 bits and begin again at the other end, as the reference's do."""


def _whole(name: str, change: Callable[[float], float]) -> Builtin:
    def function(values: list[Datum], budget: Budget) -> Datum:
        counted(name, values, 1, 1)
        number = number_of(values[0], budget)
        return integer_of(change(number) if math.isfinite(number) else number)

    return function


def _range(values: list[Datum], budget: Budget) -> Datum:
    counted("range", values, 1, 2)
    bounds = [integer(value, budget) for value in values]
    start, end = (0, bounds[0]) if len(bounds) == 1 else (bounds[0], bounds[1])
    count = max(0, (end - start + _WRAP) % (2 * _WRAP) - _WRAP)
    if count > MAX_ITEMS:
        raise ExpressionError(f"range() would have more than {MAX_ITEMS} items")
    budget.items(count)
    return [(number + _WRAP) % (2 * _WRAP) - _WRAP for number in range(start, start + count)]


FUNCTIONS: Final[dict[str, Builtin]] = {
    "floor": _whole("floor", lambda number: float(math.floor(number))),
    "ceil": _whole("ceil", lambda number: float(math.ceil(number))),
    "round": _whole("round", rounded),
    "range": _range,
}
