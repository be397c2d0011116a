"""Values of the language: what kinds there are, and how each becomes a text, a number or a yes/no.

Used by every module that computes. Knows nothing of syntax or scopes. The rules are the measured ones of the reference
engine: numbers are 64-bit floats unless a function makes an integer; ``null`` in an expression is *none* and
reads as an empty text, while a JSON null that sits inside data reads as the text ``null`` and counts as true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from workflow.expressions.data import NONE, Datum, Nothing, Value
from workflow.expressions.encoding import json_text
from workflow.expressions.errors import ExpressionError
from workflow.expressions.limits import CHARACTERS_PER_UNIT, MAX_ITEMS, MAX_TEXT, MAX_VALUE_DEPTH, Budget
from workflow.expressions.numbers import float_text, integer_of, parsed_float

_SURROGATE = re.compile("[\ud800-\udfff]")
_FALSE_TEXTS = frozenset({"", "false", "0", "off"})


def kind_name(value: Datum) -> str:
    """The word for a value's kind in messages and tables: none, null, bool, int, number, string, list or map."""
    match value:
        case Nothing():
            return "none"
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "int" if value == integer_of(value) else "number"
        case str():
            return "string"
        case list():
            return "list"
        case dict():
            return "map"


def truth(value: Datum) -> bool:
    """Whether a value counts as true: all but none, false, 0, "", "0", "off", "false", and empty lists and maps."""
    if value is True or value is False:
        return value
    if isinstance(value, str):
        return value not in _FALSE_TEXTS
    if value is NONE:
        return False
    if isinstance(value, (list, dict)):
        return len(value) > 0
    if isinstance(value, float):
        return value != 0 or math.copysign(1.0, value) < 0
    return value is None or value != 0


def text_of(value: Datum, budget: Budget) -> str:
    """A value's text form. Raises ``NoText`` when it has none (an infinite number inside a map).

    Raises ``ExpressionError`` when it would be too long.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        measure(value, budget)
        return _container_text(value)
    return scalar_text(value)


def scalar_text(value: Nothing | bool | float | int | str | None) -> str:
    """The text of anything but a list or a map."""
    match value:
        case str():
            return value
        case Nothing():
            return ""
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return float_text(value)


def _container_text(value: list[Datum] | dict[str, Datum]) -> str:
    if isinstance(value, dict):
        return json_text(value)
    return ",".join(_container_text(item) if isinstance(item, (list, dict)) else scalar_text(item) for item in value)


def number_of(value: Datum, budget: Budget) -> float:
    """A value as a number: none is 0, anything else is read from its text. Raises ``ExpressionError``."""
    if isinstance(value, float):
        return value
    if value is NONE:
        return 0.0
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    text = text_of(value, budget)
    found = parsed_float(text)
    if found is None:
        raise ExpressionError(f"{described(value)} is not a number")
    return found


def integer(value: Datum, budget: Budget) -> int:
    """A value as a 64-bit integer, truncated towards zero. Raises ``ExpressionError`` when it is not a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return integer_of(number_of(value, budget))


def described(value: Datum) -> str:
    """A value as shown in messages: its kind and, when short, what it is."""
    match value:
        case str():
            shown = value if len(value) <= 40 else value[:37] + "..."
            return f'the text "{shown}"'
        case list():
            return f"a list of {len(value)}"
        case dict():
            return f"a map of {len(value)}"
        case Nothing():
            return "null"
        case _:
            return scalar_text(value)


def measure(value: Datum, budget: Budget) -> None:
    """Walks a value once and pays for it. Refuses what is too large or too deep to be written out as a text.

    Values share parts, so a small expression can describe an enormous one; this stops at the bound.
    """
    length = 0
    items = 0
    level: list[Datum] = [value]
    depth = 0
    while level:
        depth += 1
        below: list[Datum] = []
        for item in level:
            if isinstance(item, str):
                length += len(item)
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, dict):
                below.extend(item.values())
                length += sum(map(len, item))
            if len(below) > MAX_ITEMS:
                raise ExpressionError(f"the value has more than {MAX_ITEMS} items")
        items += len(level)
        if depth > MAX_VALUE_DEPTH:
            raise ExpressionError(f"the value is nested deeper than {MAX_VALUE_DEPTH} levels")
        if items > MAX_ITEMS or length > MAX_TEXT:
            raise ExpressionError(f"the value is larger than {MAX_ITEMS} items or {MAX_TEXT} characters")
        level = below
    budget.spend(items + length // CHARACTERS_PER_UNIT)


def admitted(value: object) -> Datum:
    """A value from outside as the engine's own. Mappings, lists and tuples are copied; huge integers become floats.

    Raises ``TypeError`` for what the language has no kind for: that is a fault of the calling code, not of a document.
    """
    if value is None or isinstance(value, (bool, Nothing)):
        return value
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", str.__str__(value))
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else _rounded(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {_key(key): admitted(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [admitted(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not a value of the expression language")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a map's key must be a text, not {type(key).__name__}")
    return _SURROGATE.sub("\ufffd", str.__str__(key))


def _rounded(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def released(value: Datum) -> Value:
    """A value of the engine for callers: none becomes ``None``, also inside lists and maps."""
    match value:
        case Nothing():
            return None
        case list():
            return [released(item) for item in value]
        case dict():
            return {key: released(item) for key, item in value.items()}
        case _:
            return value


def literals(value: Datum) -> Iterator[Datum]:
    """The value and everything inside it, outermost first."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
