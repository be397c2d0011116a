"""How large things may get, and the purse every evaluation is paid from.

Used by all modules here. An expression comes from outside: each bound below turns a hang or a full memory into an
``ExpressionError``. The numbers are far above what workflows need.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from workflow.expressions.errors import ExpressionError

MAX_SOURCE: Final = 65_536
"""Characters in an expression."""
MAX_TEMPLATE: Final = 1_048_576
"""Characters in a template."""
MAX_TOKENS: Final = 20_000
"""Words and signs in one expression, and pieces in one template."""
MAX_NESTING: Final = 80
"""Parentheses, calls, ``!`` and ``-`` inside one another, and lists or maps inside one another in a literal."""
MAX_HEIGHT: Final = 150
"""Levels of a parsed expression (a chain of operators is one level each), bodies of map/filter/eval added up."""
MAX_TEXT: Final = 1_048_576
"""Characters in a text that an expression makes."""
MAX_ITEMS: Final = 100_000
"""Items in a list that an expression makes."""
MAX_DOCUMENT: Final = 262_144
"""Characters that json(), yaml() and jq() read."""
MAX_VALUE_DEPTH: Final = 100
"""Lists and maps inside one another in a value."""
WORK: Final = 1_000_000
"""Units of work for one evaluation: an item visited, 16 characters copied, a node of a map() body evaluated."""
DOCUMENT_WORK: Final = 5_000_000
"""Units of work for all evaluations that one reading, resolving, planning or spreading of a document needs."""
CHARACTERS_PER_UNIT: Final = 16


class Budget:
    """The units of work that one evaluation may still spend, and the purse that it shares with others, if any."""

    __slots__ = ("_purse", "left")

    def __init__(self, left: int = WORK) -> None:
        self.left = left
        self._purse = _PURSE.get()

    def spend(self, units: int) -> None:
        """Takes ``units``; raises ``ExpressionError`` when they are not there."""
        self.left -= units
        if self.left < 0:
            raise ExpressionError("this takes more work than an expression may cost")
        if self._purse is not None:
            self._purse.left -= units
            if self._purse.left < 0:
                raise ExpressionError("the expressions of this document together take more work than they may cost")

    def text(self, length: int) -> None:
        """Pays for a text of ``length`` characters before it is made."""
        if length > MAX_TEXT:
            raise ExpressionError(f"the text would be longer than {MAX_TEXT} characters")
        self.spend(1 + length // CHARACTERS_PER_UNIT)

    def items(self, count: int) -> None:
        """Pays for a list of ``count`` items before it is made."""
        if count > MAX_ITEMS:
            raise ExpressionError(f"the list would have more than {MAX_ITEMS} items")
        self.spend(1 + count)


class _Purse:
    """Units of work that many evaluations share."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


_PURSE: ContextVar[_Purse | None] = ContextVar("purse", default=None)


@contextmanager
def one_purse(left: int = DOCUMENT_WORK) -> Iterator[None]:
    """All evaluations within share ``left`` units; within another purse, that one's. Also a decorator.

    A thousand expressions, each just below its own bound, would keep a planner busy for a quarter of an hour.
    """
    if _PURSE.get() is not None:
        yield
        return
    before = _PURSE.set(_Purse(left))
    try:
        yield
    finally:
        _PURSE.reset(before)
