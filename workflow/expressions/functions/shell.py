"""shellquote and shellparse: words for a POSIX shell, and back.

Quoting follows the reference: single characters get a backslash, a word with blanks is put in single quotes.
"""

from __future__ import annotations

import re
from typing import Final

from workflow.expressions.data import Datum
from workflow.expressions.errors import ExpressionError
from workflow.expressions.functions.calling import Builtin, counted, loose_text
from workflow.expressions.limits import Budget

_SPECIAL: Final = re.compile(r"""[\\'"`${\[|&;<>()*?!]|^~""")
_BLANK: Final = re.compile(r"[ \t\n]")
_WORD: Final = re.compile(
    r"""(?P<blank>[ \n\t]+)
    |\\(?P<escaped>.)
    |'(?P<single>[^']*)'
    |"(?P<double>(?:[^"\\]|\\.)*)"
    |(?P<plain>[^ \n\t\\'"]+)""",
    re.VERBOSE | re.DOTALL,
)
_IN_DOUBLE: Final = re.compile(r'\\([$`"\\\n])')


def quoted_word(word: str) -> str:
    """One word, such that a shell reads exactly it."""
    if not word:
        return "''"
    if not _BLANK.search(word):
        return _SPECIAL.sub(r"\\\g<0>", word)
    return "\\'".join(f"'{part}'" if part else "" for part in word.split("'"))


def words_of(text: str) -> list[str]:
    """The words a shell would read. Raises ``ExpressionError`` when a quote or a backslash stands open."""
    words: list[str] = []
    pieces: list[str] = []
    place = 0
    while place < len(text):
        found = _WORD.match(text, place)
        if found is None:
            raise ExpressionError(f"shellparse(): {_OPEN[text[place]]} stands open")
        place = found.end()
        if found.lastgroup != "blank":
            pieces.extend(_piece(found))
        elif pieces:
            words.append("".join(pieces))
            pieces.clear()
    if pieces:
        words.append("".join(pieces))
    return words


def _piece(found: re.Match[str]) -> list[str]:
    """The text of a part of a word; an escaped line break is none at all."""
    match found.lastgroup:
        case "escaped":
            return [] if found["escaped"] == "\n" else [found["escaped"]]
        case "double":
            return [_IN_DOUBLE.sub(lambda escape: "" if escape[1] == "\n" else escape[1], found["double"])]
        case "single":
            return [found["single"]]
        case _:
            return [found["plain"]]


_OPEN: Final = {"\\": "a backslash at the end", "'": "a single quote", '"': "a double quote"}


def _shellquote(values: list[Datum], budget: Budget) -> Datum:
    parts = [loose_text(value, budget) for value in values]
    budget.text(2 * sum(map(len, parts)) + 3 * len(parts))
    return " ".join(map(quoted_word, parts))


def _shellparse(values: list[Datum], budget: Budget) -> Datum:
    counted("shellparse", values, 1, 1)
    text = loose_text(values[0], budget)
    budget.items(len(text) // 2)
    return [*words_of(text)]


FUNCTIONS: Final[dict[str, Builtin]] = {"shellquote": _shellquote, "shellparse": _shellparse}
