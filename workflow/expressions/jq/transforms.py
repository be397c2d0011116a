"""jq's functions of the input alone, and its formats of strings.

Used by ``reading`` and ``streams``. Each takes a value and the purse, gives a value, and raises ``JqError``.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from typing import Final, TypeAlias

from workflow.expressions.data import Datum
from workflow.expressions.encoding import read_json
from workflow.expressions.errors import ExpressionError
from workflow.expressions.jq.operations import indexed
from workflow.expressions.jq.values import (
    JqError,
    added,
    array,
    as_string,
    compared,
    fitted,
    items_of,
    kind,
    number,
    ordered,
    shown,
    text,
    true,
    whole,
)
from workflow.expressions.limits import MAX_DOCUMENT, Budget
from workflow.expressions.numbers import parsed_float, rounded

OfValue: TypeAlias = Callable[[Datum, Budget], Datum]

_BLANKS: Final = " \t\r\n\f\v"


def _length(value: Datum, budget: Budget) -> Datum:
    match value:
        case None:
            return 0
        case str() | list() | dict():
            return len(value)
        case bool():
            raise JqError("boolean has no length")
        case _:
            return fitted(abs(number(value, "have a length")))


def _keys(value: Datum, budget: Budget) -> Datum:
    if isinstance(value, dict):
        budget.items(len(value))
        return [*sorted(value)]
    budget.items(len(array(value, "have keys")))
    return [*range(len(array(value, "have keys")))]


def _sum(value: Datum, budget: Budget) -> Datum:
    total: Datum = None
    for item in items_of(value, "be added up"):
        budget.spend(1)
        total = added(total, item, budget)
    return total


def flattened(value: Datum, budget: Budget, levels: float = math.inf) -> Datum:
    """The items of a list with the lists inside it opened, ``levels`` deep."""
    if levels < 0:
        raise JqError("flatten needs a depth of at least 0")
    found: list[Datum] = []
    waiting: list[tuple[Datum, float]] = [(item, levels) for item in reversed(items_of(value, "be flattened"))]
    while waiting:
        item, left = waiting.pop()
        budget.spend(1)
        if isinstance(item, list) and left > 0:
            waiting.extend((inner, left - 1) for inner in reversed(item))
        else:
            found.append(item)
    return found


def to_entries(value: Datum, budget: Budget) -> Datum:
    """An object as a list of key and value."""
    if isinstance(value, list):
        budget.items(len(value))
        return [{"key": place, "value": item} for place, item in enumerate(value)]
    if not isinstance(value, dict):
        raise JqError(f"{kind(value)} has no keys")
    budget.items(len(value))
    return [{"key": key, "value": value[key]} for key in sorted(value)]


def from_entries(value: Datum, budget: Budget) -> Datum:
    """A list of keys and values as an object."""
    found: dict[str, Datum] = {}
    for entry in items_of(value, "be entries"):
        budget.spend(1)
        if not isinstance(entry, dict):
            raise JqError("an entry must be an object")
        names = [entry[name] for name in ("key", "k", "name", "Name", "Key", "K") if true(entry.get(name))]
        values = [entry[name] for name in ("value", "v", "Value", "V") if name in entry]
        name = names[0] if names else entry.get("key")
        found["null" if name is None else as_string(name, budget)] = values[0] if values else None
    return found


def _tonumber(value: Datum, budget: Budget) -> Datum:
    if not isinstance(value, str):
        return number(value, "become a number")
    found = parsed_float(value.strip(_BLANKS)) if len(value) < 400 else None
    if found is None:
        raise JqError(f"{value[:40]} is not a number")
    return whole(found)


def _fromjson(value: Datum, budget: Budget) -> Datum:
    source = text(value, "be read as JSON").strip(_BLANKS)
    if len(source) > MAX_DOCUMENT:
        raise JqError(f"fromjson reads at most {MAX_DOCUMENT} characters")
    budget.spend(1 + len(source) // 2)
    try:
        found, end = read_json(source)
    except ExpressionError as error:
        raise JqError(error.message) from None
    if end < len(source):
        raise JqError("not valid JSON")
    return found


def _ordered_items(value: Datum, budget: Budget, purpose: str = "be sorted") -> list[Datum]:
    return [item for _, item in ordered([(item, item) for item in array(value, purpose)], budget)]


def distinct(items: list[tuple[Datum, Datum]], budget: Budget) -> list[list[Datum]]:
    """The items of (key, item) pairs in groups of equal keys, in the order of the keys."""
    groups: list[list[Datum]] = []
    last: Datum = None
    for key, item in ordered(items, budget):
        if not groups or compared(last, key, budget):
            groups.append([])
        groups[-1].append(item)
        last = key
    return groups


def _numeric(change: Callable[[float], float]) -> OfValue:
    def function(value: Datum, budget: Budget) -> Datum:
        known = number(value, "be rounded")
        return whole(change(known)) if math.isfinite(known) else known

    return function


def _textual(change: Callable[[str], str]) -> OfValue:
    def function(value: Datum, budget: Budget) -> Datum:
        source = text(value, "be changed as a string")
        budget.text(len(source))
        return change(source)

    return function


def _ascii(change: Callable[[str], str]) -> OfValue:
    return _textual(lambda source: "".join(change(c) if c.isascii() else c for c in source))


def _decoded(source: str) -> str:
    try:
        return base64.b64decode(source + "=" * (-len(source) % 4), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        raise JqError("not base64") from None


def failed(value: Datum, budget: Budget) -> Datum:
    """Raises the value as an error."""
    raise JqError(value)


VALUES: Final[dict[str, OfValue]] = {
    "length": _length,
    "utf8bytelength": lambda value, _: len(text(value, "have a length").encode(errors="replace")),
    "keys": _keys,
    "keys_unsorted": _keys,
    "add": _sum,
    "any": lambda value, _: any(map(true, items_of(value, "be asked"))),
    "all": lambda value, _: all(map(true, items_of(value, "be asked"))),
    "flatten": flattened,
    "floor": _numeric(lambda known: float(math.floor(known))),
    "ceil": _numeric(lambda known: float(math.ceil(known))),
    "round": _numeric(rounded),
    "sqrt": lambda value, _: whole(math.sqrt(known)) if (known := number(value, "have a root")) >= 0 else math.nan,
    "abs": lambda value, _: fitted(abs(number(value, "have a size"))),
    "fabs": lambda value, _: float(abs(number(value, "have a size"))),
    "sort": _ordered_items,
    "unique": lambda value, budget: [
        group[0] for group in distinct([(item, item) for item in array(value, "be sorted")], budget)
    ],
    "min": lambda value, budget: (_ordered_items(value, budget) or [None])[0],
    "max": lambda value, budget: (_ordered_items(value, budget) or [None])[-1],
    "reverse": lambda value, _: array(value or [], "be reversed")[::-1],
    "first": lambda value, budget: indexed(value, 0, budget),
    "last": lambda value, budget: indexed(value, -1, budget),
    "tostring": lambda value, budget: as_string(value, budget),
    "tojson": shown,
    "fromjson": _fromjson,
    "tonumber": _tonumber,
    "type": lambda value, _: kind(value),
    "not": lambda value, _: not true(value),
    "to_entries": to_entries,
    "from_entries": from_entries,
    "ascii_downcase": _ascii(str.lower),
    "ascii_upcase": _ascii(str.upper),
    "trim": _textual(lambda source: source.strip(_BLANKS)),
    "ltrim": _textual(lambda source: source.lstrip(_BLANKS)),
    "rtrim": _textual(lambda source: source.rstrip(_BLANKS)),
    "error": failed,
}
"""Functions of the input alone."""

FORMATS: Final[dict[str, OfValue]] = {
    "@text": VALUES["tostring"],
    "@json": shown,
    "@base64": lambda value, budget: base64.b64encode(as_string(value, budget).encode(errors="replace")).decode(),
    "@base64d": lambda value, budget: _decoded(as_string(value, budget)),
}
"""Formats of strings."""
