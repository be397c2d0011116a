"""jq's values: their order, their kinds, and the sums of them.

JSON values, with integers that stay integers as in the reference. Used by all modules of jq. Everything that
walks a value pays for it.
"""

from __future__ import annotations

import math
from functools import cmp_to_key
from typing import TypeAlias

from workflow.expressions.data import Datum, Nothing
from workflow.expressions.encoding import json_text
from workflow.expressions.errors import NoText
from workflow.expressions.limits import MAX_VALUE_DEPTH, Budget
from workflow.expressions.numbers import integer_of
from workflow.expressions.values import measure

Number: TypeAlias = int | float


class JqError(Exception):
    """An error inside jq, which ``try`` and ``?`` catch. Carries the error's value."""

    def __init__(self, value: Datum) -> None:
        super().__init__(value if isinstance(value, str) else "error")
        self.value = value


def kind(value: Datum) -> str:
    """jq's ``type``."""
    match value:
        case None | Nothing():
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"


def is_number(value: Datum) -> bool:
    """Whether it is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def number(value: Datum, purpose: str) -> Number:
    """The number that a value is. Raises ``JqError``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise JqError(f"{kind(value)} cannot {purpose}: a number is needed")


def text(value: Datum, purpose: str) -> str:
    """The text that a value is. Raises ``JqError``."""
    if isinstance(value, str):
        return value
    raise JqError(f"{kind(value)} cannot {purpose}: a string is needed")


def array(value: Datum, purpose: str) -> list[Datum]:
    """The list that a value is. Raises ``JqError``."""
    if isinstance(value, list):
        return value
    raise JqError(f"{kind(value)} cannot {purpose}: an array is needed")


def true(value: Datum) -> bool:
    """Everything but null and false is true."""
    return value is not None and value is not False


def fitted(value: Number) -> Number:
    """A result that fits 64 bits, else a float."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value


def shown(value: Datum, budget: Budget) -> str:
    """A value as JSON; NaN as null."""
    measure(value, budget)
    try:
        made = json_text(value)
    except NoText:
        made = "null"
    budget.text(len(made))
    return made


def as_string(value: Datum, budget: Budget) -> str:
    """jq's ``tostring``."""
    return value if isinstance(value, str) else shown(value, budget)


_RANKS = {"null": 0, "boolean": 1, "number": 2, "string": 3, "array": 4, "object": 5}


def compared(one: Datum, other: Datum, budget: Budget, depth: int = 0) -> int:
    """Negative, 0 or positive: jq's order of all values. Pays for every item it looks at."""
    budget.spend(1)
    if depth > MAX_VALUE_DEPTH:
        raise JqError("the values are nested too deeply to be compared")
    ranks = _RANKS[kind(one)] - _RANKS[kind(other)]
    if ranks:
        return ranks
    if isinstance(one, str) and isinstance(other, str):
        budget.spend(min(len(one), len(other)) // 16)
        return (one > other) - (one < other)
    if isinstance(one, list) and isinstance(other, list):
        return _compared_lists(one, other, budget, depth)
    if isinstance(one, dict) and isinstance(other, dict):
        budget.spend(len(one) + len(other))
        mine, theirs = sorted(one), sorted(other)
        if mine != theirs:
            return (mine > theirs) - (mine < theirs)
        return _compared_lists([one[key] for key in mine], [other[key] for key in mine], budget, depth)
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return -1 if one < other or math.isnan(one) else int(one > other)
    return 0


def _compared_lists(one: list[Datum], other: list[Datum], budget: Budget, depth: int) -> int:
    for mine, theirs in zip(one, other, strict=False):
        order = compared(mine, theirs, budget, depth + 1)
        if order:
            return order
    return len(one) - len(other)


def ordered(items: list[tuple[Datum, Datum]], budget: Budget) -> list[tuple[Datum, Datum]]:
    """(key, value) pairs in the order of their keys; equal ones keep their places."""

    def order(one: tuple[Datum, Datum], other: tuple[Datum, Datum]) -> int:
        return compared(one[0], other[0], budget)

    return sorted(items, key=cmp_to_key(order))


def added(one: Datum, other: Datum, budget: Budget) -> Datum:
    """jq's ``+``. Raises ``JqError``."""
    if one is None:
        return other
    if other is None:
        return one
    if isinstance(one, str) and isinstance(other, str):
        budget.text(len(one) + len(other))
        return one + other
    if isinstance(one, list) and isinstance(other, list):
        budget.items(len(one) + len(other))
        return one + other
    if isinstance(one, dict) and isinstance(other, dict):
        budget.items(len(one) + len(other))
        return {**one, **other}
    if is_number(one) and is_number(other):
        return fitted(number(one, "") + number(other, ""))
    raise JqError(f"{kind(one)} and {kind(other)} cannot be added")


def position(value: Datum, length: int) -> int:
    """An index from the front, from the back when negative; may lie outside."""
    index = math.floor(number(value, "be an index")) if math.isfinite(number(value, "be an index")) else length
    return index + length if index < 0 else index


def whole(value: Number) -> Number:
    """A float without a fraction as an integer, where that is exact."""
    return integer_of(value) if isinstance(value, float) and abs(value) < 2**53 and value.is_integer() else value


def items_of(value: Datum, purpose: str) -> list[Datum]:
    """The items of a list, or the values of an object in the order of its keys. Raises ``JqError``."""
    return [value[key] for key in sorted(value)] if isinstance(value, dict) else array(value, purpose)
