"""What jq's signs do with two values: indexing, slicing, arithmetic, comparison.

Used by ``filters``, ``reading`` and ``transforms``. Every result is paid for before it is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from workflow.expressions.data import Datum
from workflow.expressions.jq.values import (
    JqError,
    added,
    compared,
    fitted,
    is_number,
    kind,
    number,
    position,
)
from workflow.expressions.limits import MAX_TEXT, Budget

Operation: TypeAlias = Callable[[Datum, Datum, Budget], Datum]


def indexed(container: Datum, key: Datum, budget: Budget) -> Datum:
    """``container[key]``; null where nothing is."""
    if container is None and (key is None or isinstance(key, str) or is_number(key)):
        return None
    if isinstance(container, dict) and isinstance(key, str):
        return container.get(key)
    if isinstance(container, (list, str)) and is_number(key):
        if math.isnan(number(key, "")):
            return None
        index = position(key, len(container))
        return container[index] if 0 <= index < len(container) else None
    raise JqError(f"{kind(container)} has no item by {kind(key)}")


def sliced(container: Datum, start: Datum, end: Datum, budget: Budget) -> Datum:
    """``container[start:end]``"""
    if container is None:
        return None
    if not isinstance(container, (list, str)):
        raise JqError(f"{kind(container)} cannot be sliced")
    length = len(container)
    first = 0 if start is None else max(0, position(start, length))
    last = length if end is None else max(0, min(length, _ceiling(end, length)))
    budget.spend(1 + max(0, last - first) // 4)
    return container[first:last]


def _ceiling(value: Datum, length: int) -> int:
    bound = number(value, "be an index")
    index = math.ceil(bound) if math.isfinite(bound) else length
    return index + length if index < 0 else index


def _subtracted(one: Datum, other: Datum, budget: Budget) -> Datum:
    if isinstance(one, list) and isinstance(other, list):
        return [item for item in one if all(compared(item, gone, budget) for gone in other)]
    if is_number(one) and is_number(other):
        return fitted(number(one, "") - number(other, ""))
    raise JqError(f"{kind(one)} and {kind(other)} cannot be subtracted")


def _multiplied(one: Datum, other: Datum, budget: Budget) -> Datum:
    if is_number(one) and is_number(other):
        return fitted(number(one, "") * number(other, ""))
    if isinstance(other, str) and is_number(one):
        one, other = other, one
    if isinstance(one, str) and is_number(other):
        times = number(other, "")
        if not times > 0:
            return "" if times == 0 else None
        budget.text(len(one) * math.ceil(times) if times < MAX_TEXT else MAX_TEXT + 1)
        return one * max(1, math.floor(times))
    if isinstance(one, dict) and isinstance(other, dict):
        return _merged(one, other, budget, 0)
    raise JqError(f"{kind(one)} and {kind(other)} cannot be multiplied")


def _merged(one: dict[str, Datum], other: dict[str, Datum], budget: Budget, depth: int) -> Datum:
    budget.items(len(one) + len(other))
    if depth > 50:
        raise JqError("the objects are nested too deeply to be merged")
    merged = dict(one)
    for key, value in other.items():
        mine = merged.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            merged[key] = _merged(mine, value, budget, depth + 1)
        else:
            merged[key] = value
    return merged


def _divided(one: Datum, other: Datum, budget: Budget) -> Datum:
    if isinstance(one, str) and isinstance(other, str):
        return split_text(one, other, budget)
    left, right = number(one, "be divided"), number(other, "be a divisor")
    if right == 0:
        raise JqError("division by zero")
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


def _remainder(one: Datum, other: Datum, budget: Budget) -> Datum:
    left, right = number(one, "be divided"), number(other, "be a divisor")
    if not (math.isfinite(left) and math.isfinite(right)):
        return math.nan
    divisor, dividend = abs(int(right)), int(left)
    if divisor == 0:
        raise JqError("division by zero")
    return fitted(abs(dividend) % divisor * (-1 if dividend < 0 else 1))


def split_text(whole: str, separator: str, budget: Budget) -> Datum:
    """The parts of a text."""
    if not whole:
        return []
    budget.items(whole.count(separator) + 1 if separator else len(whole))
    return [*whole.split(separator)] if separator else [*whole]


OPERATIONS: dict[str, Operation] = {
    "+": added,
    "-": _subtracted,
    "*": _multiplied,
    "/": _divided,
    "%": _remainder,
    "==": lambda one, other, budget: compared(one, other, budget) == 0,
    "!=": lambda one, other, budget: compared(one, other, budget) != 0,
    "<": lambda one, other, budget: compared(one, other, budget) < 0,
    "<=": lambda one, other, budget: compared(one, other, budget) <= 0,
    ">": lambda one, other, budget: compared(one, other, budget) > 0,
    ">=": lambda one, other, budget: compared(one, other, budget) >= 0,
}
"""Operators with two operands, by sign."""
