"""JSON, written and read exactly as the reference does it.

Used by the functions json/tojson, by literals in expressions, by the text form of maps and by printing. Strict: no NaN,
no numbers out of range, bounded nesting; every number read is a float.
"""

from __future__ import annotations

import json
import math
import re
from typing import cast

from workflow.expressions.data import Datum, Nothing
from workflow.expressions.errors import ExpressionError, NoText
from workflow.expressions.limits import MAX_NESTING
from workflow.expressions.numbers import json_float_text

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TO_ESCAPE = re.compile("[<>&\u2028\u2029]")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_text(value: Datum) -> str:
    """Compact JSON with sorted keys and ``<>&`` escaped. none is ``{}``, as in the reference.

    The value must have been measured. Raises ``ExpressionError`` for infinities and NaN, which JSON has not.
    """
    match value:
        case str():
            return quoted(value)
        case Nothing():
            return "{}"
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            if not math.isfinite(value):
                raise NoText("JSON has no infinite numbers and no NaN")
            return json_float_text(value)
        case list():
            return f"[{','.join([json_text(item) for item in value])}]"
        case dict():
            return f"{{{','.join([f'{quoted(key)}:{json_text(value[key])}' for key in sorted(value)])}}}"


def quoted(text: str) -> str:
    """A text as a JSON string."""
    return _TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], json.dumps(text, ensure_ascii=False))


def read_json(text: str, start: int = 0) -> tuple[Datum, int]:
    """The JSON value that begins at ``start`` (no blanks before it), and where it ends.

    Raises ``ExpressionError``, placed, when there is none, it is nested too deeply or a number is out of range.
    """
    _refuse_depth(text, start)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise ExpressionError(f"not valid JSON: {error.msg.lower()}", offset=error.pos) from None
    except (ValueError, StopIteration, RecursionError):
        raise ExpressionError("not valid JSON", offset=start) from None
    return cast(Datum, _whole(value) if "\\u" in text[start:end] else value), end


def _refuse_depth(text: str, start: int) -> None:
    depth = 0
    for found in _BRACKETS.finditer(text, start):
        if found[0] in "[{":
            depth += 1
            if depth > MAX_NESTING:
                raise ExpressionError(f"nested deeper than {MAX_NESTING} levels", offset=found.start())
        elif found[0] in "]}":
            depth -= 1
        if depth <= 0:
            return


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("out of range")
    return number


def _constant(text: str) -> float:
    raise ValueError(text)


def _whole(value: object) -> object:
    """The value with halves of surrogate pairs, which are no characters, replaced."""
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case list():
            return [_whole(item) for item in value]
        case dict():
            return {_SURROGATE.sub("\ufffd", key): _whole(item) for key, item in value.items()}
        case _:
            return value


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_constant)
