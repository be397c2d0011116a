"""list, join, split, chunk, len, at, entries: lists and maps."""

from __future__ import annotations

from typing import Final

from workflow.expressions.data import NONE, Datum
from workflow.expressions.errors import ExpressionError
from workflow.expressions.functions.calling import Builtin, as_list, counted, loose_text
from workflow.expressions.limits import Budget
from workflow.expressions.values import described, integer


def _list(values: list[Datum], budget: Budget) -> Datum:
    return list(values)


def _join(values: list[Datum], budget: Budget) -> Datum:
    counted("join", values, 1, 2)
    if values[0] is NONE:
        return NONE
    items = as_list("join", values[0])
    separator = loose_text(values[1], budget) if len(values) == 2 else ","
    parts: list[str] = []
    for item in items:
        parts.append(loose_text(item, budget))
        budget.text(len(parts[-1]) + len(separator))
    budget.text(sum(map(len, parts)) + len(separator) * max(0, len(parts) - 1))
    return separator.join(parts)


def _split(values: list[Datum], budget: Budget) -> Datum:
    counted("split", values, 1, 2)
    text = loose_text(values[0], budget)
    separator = loose_text(values[1], budget) if len(values) == 2 else ","
    budget.items(text.count(separator) + 1 if separator else len(text))
    return [*text.split(separator)] if separator else [*text]


def _chunk(values: list[Datum], budget: Budget) -> Datum:
    counted("chunk", values, 2, 2)
    items = as_list("chunk", values[0])
    size = integer(values[1], budget)
    if size < 1:
        raise ExpressionError(f"chunk() takes a size of at least 1, not {size}")
    budget.spend(len(items))
    return [items[start : start + size] for start in range(0, len(items), size)]


def _len(values: list[Datum], budget: Budget) -> Datum:
    counted("len", values, 1, 1)
    match values[0]:
        case str() as text:
            return len(text.encode(errors="replace"))
        case list() | dict() as container:
            return len(container)
        case other:
            raise ExpressionError(f"len() takes a text, a list or a map, not {described(other)}")


def at(values: list[Datum], budget: Budget) -> Datum:
    """at(container, key): an item of a list, a character of a text, a map's value (none when it is not there)."""
    counted("at", values, 2, 2)
    container, key = values
    if isinstance(container, dict):
        return container.get(loose_text(key, budget), NONE)
    if not isinstance(container, (list, str)):
        raise ExpressionError(f"{described(container)} has no parts: only lists, maps and texts have")
    index = integer(key, budget)
    if not 0 <= index < len(container):
        raise ExpressionError(f"there is no item {index}: there are {len(container)}, counted from 0")
    return container[index]


def _entries(values: list[Datum], budget: Budget) -> Datum:
    counted("entries", values, 1, 1)
    container = values[0]
    if isinstance(container, list):
        container = {str(index): item for index, item in enumerate(container)}
    if container is NONE:
        container = {}
    if not isinstance(container, dict):
        raise ExpressionError(f"entries() takes a map or a list, not {described(container)}")
    budget.items(len(container))
    return [{"key": key, "value": item} for key, item in container.items()]


FUNCTIONS: Final[dict[str, Builtin]] = {
    "list": _list,
    "join": _join,
    "split": _split,
    "chunk": _chunk,
    "len": _len,
    "at": at,
    "entries": _entries,
}
