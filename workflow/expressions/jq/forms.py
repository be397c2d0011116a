"""jq's formats of strings, such as ``@csv`` and ``@sh``, and its functions of real numbers.

Used by ``reading`` beside ``transforms``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from workflow.expressions.data import Datum
from workflow.expressions.jq.transforms import FORMATS, VALUES, OfValue
from workflow.expressions.jq.values import JqError, array, as_string, fitted, is_number, kind, number, text, whole
from workflow.expressions.limits import Budget

_HTML: Final = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", "'": "&#39;", '"': "&quot;"})
_TABBED: Final = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"})
_MOST: Final = 0x110000


def _paid(value: Datum, budget: Budget) -> str:
    found = as_string(value, budget)
    budget.text(6 * len(found))
    return found


def _row(quoted: Callable[[str], str], between: str) -> OfValue:
    def form(value: Datum, budget: Budget) -> Datum:
        cells: list[str] = []
        for item in array(value, "be a row"):
            if isinstance(item, (list, dict)):
                raise JqError(f"{kind(item)} cannot stand in a row")
            said = "" if item is None else _paid(item, budget)
            cells.append(quoted(said) if isinstance(item, str) else said)
        return between.join(cells)

    return form


def _shell(value: Datum, budget: Budget) -> Datum:
    words: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, (list, dict)):
            raise JqError(f"{kind(item)} cannot be a word of a shell")
        said = _paid(item, budget)
        words.append("'" + said.replace("'", "'\\''") + "'" if isinstance(item, str) else said)
    return " ".join(words)


def _real(change: Callable[[float], float]) -> OfValue:
    def function(value: Datum, budget: Budget) -> Datum:
        known = float(number(value, "be computed with"))
        try:
            return whole(found) if math.isfinite(found := change(known)) else found
        except OverflowError:
            return math.inf
        except ValueError:
            return -math.inf if known == 0 else math.nan

    return function


def _asked(test: Callable[[float], bool]) -> OfValue:
    return lambda value, budget: is_number(value) and test(float(number(value, "be asked")))


def _characters(value: Datum, budget: Budget) -> Datum:
    found: list[str] = []
    for code in array(value, "be characters"):
        place = int(number(code, "be a character"))
        if not 0 <= place < _MOST or 0xD800 <= place < 0xE000:
            raise JqError("there is no such character")
        found.append(chr(place))
    budget.text(len(found))
    return "".join(found)


def _codes(value: Datum, budget: Budget) -> Datum:
    source = text(value, "be taken apart")
    budget.items(len(source))
    return [*map(ord, source)]


def power(base: Datum, exponent: Datum, budget: Budget) -> Datum:
    """``pow(base; exponent)``"""
    left, right = float(number(base, "be a base")), float(number(exponent, "be an exponent"))
    try:
        return fitted(whole(found)) if math.isfinite(found := math.pow(left, right)) else found
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


ALL_FORMATS: Final[dict[str, OfValue]] = {
    **FORMATS,
    "@csv": _row(lambda cell: '"' + cell.replace('"', '""') + '"', ","),
    "@tsv": _row(lambda cell: cell.translate(_TABBED), "\t"),
    "@html": lambda value, budget: _paid(value, budget).translate(_HTML),
    "@uri": lambda value, budget: quote(_paid(value, budget), safe="~", errors="replace"),
    "@sh": _shell,
}
"""Formats of strings."""

ALL_VALUES: Final[dict[str, OfValue]] = {
    **VALUES,
    "implode": _characters,
    "explode": _codes,
    "infinite": lambda value, budget: math.inf,
    "nan": lambda value, budget: math.nan,
    "isinfinite": _asked(math.isinf),
    "isnan": _asked(math.isnan),
    "isnormal": _asked(lambda known: math.isfinite(known) and abs(known) >= 2.2250738585072014e-308),
    **{
        name: _real(change)
        for name, change in {
            "trunc": lambda known: float(math.trunc(known)) if math.isfinite(known) else known,
            "exp": math.exp,
            "exp2": math.exp2,
            "exp10": lambda known: math.pow(10, known),
            "log": math.log,
            "log2": math.log2,
            "log10": math.log10,
            "cbrt": math.cbrt,
            "sin": math.sin,
            "cos": math.cos,
            "tan": math.tan,
        }.items()
    },
}
"""Functions of the input alone."""
