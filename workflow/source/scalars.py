"""What an unquoted word of YAML means, as the reference's parser (goyaml v2) decides it.

Called by ``builder`` for every plain scalar, so it is quick for ordinary text.
"""

from __future__ import annotations

import math
import re
from typing import Final

_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NOT_FINITE: Final = frozenset(sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")) | {
    ".nan",
    ".NaN",
    ".NAN",
}
_NUMBER_START: Final = frozenset("+-.0123456789")
_INTEGER: Final = re.compile(r"[-+]?(?:(0b[01_]+)|(0x[0-9a-fA-F_]+)|0o?([0-7_]+)|[0-9][0-9_]*)\Z")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_LARGEST: Final = 2**64
_LONGEST: Final = 400  # characters of a number; more is text


def plain(text: str) -> bool | int | float | str | None:
    """The value of a scalar written without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMBER_START and len(text) <= _LONGEST:
        return _number(text)
    return text


def is_not_finite(text: str) -> bool:
    """Whether the scalar is YAML's infinity or not-a-number, which JSON cannot say."""
    return text in _NOT_FINITE


def _number(text: str) -> int | float | str:
    found = _INTEGER.match(text)
    if found:
        whole = _integer(text.replace("_", ""), found)
        if whole is not None and -_LARGEST < whole < _LARGEST:
            return whole
    if _FLOAT.match(text):
        value = float(text.replace("_", ""))
        return value if math.isfinite(value) else text
    return text


def _integer(text: str, found: re.Match[str]) -> int | None:
    base = 2 if found[1] else 16 if found[2] else 8 if found[3] else 10
    try:
        return int(text, base)
    except ValueError:
        return None
