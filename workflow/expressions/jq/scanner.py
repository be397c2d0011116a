"""Words and signs of a jq program, one after the other.

Used by ``reading``. Strings are not tokens: what stands in them may be a program again, so ``reading`` takes them apart
with ``literal_text``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from workflow.expressions.encoding import read_json
from workflow.expressions.errors import ExpressionError

_TOKEN: Final = re.compile(
    r"""(?:[ \t\r\n]|\#[^\n]*)*(?:
    (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)*)
    |(?P<variable>\$[A-Za-z_][A-Za-z0-9_]*)
    |(?P<format>@[A-Za-z0-9_]+)
    |(?P<sign>\?//=?|//=|\.\.|//|\|=|[-+*/%]=|==|!=|<=|>=|[.\[\]{}():;,|?+\-*/%<>="])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_TEXT: Final = re.compile(r'(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))+')
_CONTROL: Final = re.compile(r"[\x00-\x1f]")


@dataclass(slots=True)
class Scanner:
    """A place in a program and the token that stands there."""

    source: str
    place: int = 0
    sort: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        self.advance()

    def advance(self) -> None:
        """Goes on to the next token. Raises ``ExpressionError``."""
        found = _TOKEN.match(self.source, self.place)
        if found is None:
            shown = self.source[self.place : self.place + 20].strip()
            raise ExpressionError(f"jq(): unexpected character in '{shown}'")
        self.sort = str(found.lastgroup)
        self.token = found[self.sort]
        self.place = found.end()

    def at(self, *tokens: str) -> bool:
        """Whether one of these words or signs stands here."""
        return self.token in tokens and self.sort in ("sign", "word")

    def take(self, *tokens: str) -> str:
        """Goes past one of these words or signs and returns it; the empty text when another stands here."""
        if not self.at(*tokens):
            return ""
        taken = self.token
        self.advance()
        return taken

    def expect(self, token: str) -> None:
        """Goes past a token that must stand here."""
        if not self.take(token):
            raise self.unexpected(f", '{token}' is expected")

    def unexpected(self, more: str = "") -> ExpressionError:
        """The error for the token that stands here."""
        return ExpressionError(f"jq(): unexpected {self.token or 'end of the program'}{more}")

    def literal_text(self) -> str:
        """The literal characters of a string from here up to its end or to ``\\(``, which stays to be read."""
        found = _TEXT.match(self.source, self.place)
        if found is None:
            return ""
        self.place = found.end()
        raw = _CONTROL.sub(lambda control: f"\\u{ord(control[0]):04x}", found[0])
        text, _ = read_json(f'"{raw}"')
        return str(text)

    def string_goes_on(self) -> bool:
        """Past ``\\(``: True. Past the closing quote: False. Raises ``ExpressionError`` at anything else."""
        if self.source.startswith("\\(", self.place):
            self.place += 2
            return True
        if not self.source.startswith('"', self.place):
            raise ExpressionError("jq(): a string is not closed, or has an unknown escape")
        self.place += 1
        return False
