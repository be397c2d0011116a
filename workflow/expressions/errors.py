"""The one way an expression fails: a sentence, the text it stands in, and the place.

Raised by every module of this package, shown by everything that reads documents. Nothing else leaves the package.
"""

from __future__ import annotations

_WIDTH = 120
_UNPLACED = -1


class ExpressionError(Exception):
    """The user's expression is wrong. ``str()`` gives the sentence.

    ``source`` is the whole text that was read; ``offset`` counts characters in it from 0. Inside the package an
    error may be raised without a place (``offset`` -1); it gets one on its way out, so callers always see both.
    """

    def __init__(self, message: str, source: str = "", offset: int = _UNPLACED) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.offset = offset

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[ExpressionError], tuple[str, str, int]]:
        return type(self), (self.message, self.source, self.offset)

    def placed(self, offset: int) -> ExpressionError:
        """This error, at ``offset`` unless it already has a place."""
        if self.offset == _UNPLACED:
            self.offset = offset
        return self

    def within(self, source: str, offset: int = 0) -> ExpressionError:
        """This error, of ``source`` unless it already names its text. ``offset`` serves when it has no place."""
        if not self.source:
            self.source = source
            self.offset = max(0, min(self.placed(offset).offset, len(source)))
        return self

    def caret(self) -> str:
        """Two lines: the line of the source that is wrong (at most 120 characters of it), and ``^`` below the place."""
        start = self.source.rfind("\n", 0, self.offset) + 1
        end = self.source.find("\n", self.offset)
        line = self.source[start : end if end >= 0 else len(self.source)]
        column = self.offset - start
        left = max(0, column - _WIDTH // 2) if len(line) > _WIDTH else 0
        shown = "".join(c if c.isprintable() else " " for c in line[left : left + _WIDTH])
        return f"{shown}\n{' ' * (column - left)}^"


class NoText(ExpressionError):
    """The value has no text form: an infinite number or NaN inside a map."""
