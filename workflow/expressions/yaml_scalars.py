"""What an unquoted word of a YAML document stands for, by the rules of version 1.2.

Used by ``yaml_text`` for reading, and for writing: a text that would be read as something else gets quotes. ``yes``,
``no``, ``on`` and ``off`` are texts. So are dates: the language has no kind for them.
"""

from __future__ import annotations

import math
import re
from typing import Final

from workflow.expressions.data import Datum
from workflow.expressions.numbers import parsed_float

_WORDS: Final[dict[str, Datum]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_OLD_BOOLEANS: Final = frozenset(
    form for word in ("y", "n", "yes", "no", "on", "off") for form in (word, word.title(), word.upper())
)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGERS: Final = (
    (re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), 10),
    (re.compile(r"[-+]?0[xX][0-9a-fA-F]+"), 16),
    (re.compile(r"[-+]?0[bB][01]+"), 2),
    (re.compile(r"[-+]?0[oO]?[0-7]+"), 8),
)
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ][0-9:.]+(?:Z|[-+][0-9:]+)?)?")
_LONGEST_INTEGER: Final = 66


def plain_value(text: str) -> Datum:
    """The value of an unquoted scalar. Integers of 64 bits stay integers; larger ones become floats."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    plain = text.replace("_", "")
    if len(plain) <= _LONGEST_INTEGER:
        for pattern, base in _INTEGERS:
            if pattern.fullmatch(plain):
                number = int(plain.lower().replace("0o", "0"), base)
                return number if -(2**63) <= number < 2**63 else float(number)
    if _FLOAT.fullmatch(plain):
        found = parsed_float(plain)
        return text if found is None else found
    return text


def safe_plain(text: str) -> bool:
    """Whether an unquoted ``text`` is read as that text, by old readers too."""
    return (
        isinstance(plain_value(text), str)
        and text not in _OLD_BOOLEANS
        and not _BASE_60.fullmatch(text)
        and not _DATE.fullmatch(text)
    )
