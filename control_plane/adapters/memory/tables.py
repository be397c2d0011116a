"""Dictionaries that can be taken back: what the store's twin keeps its rows in.

Every change notes how to undo it; a unit of work that fails is undone, latest change first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class ReadOnly(RuntimeError):
    """A unit of work given to ``read`` tried to write: a defect of the caller."""


class Ledger:
    """How to undo what the unit of work under way has changed."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []
        self.writable = False

    def note(self, undo: Callable[[], object]) -> None:
        """Remember how the change that follows is undone."""
        if not self.writable:
            raise ReadOnly("a unit of work that was given to read tried to write")
        self._undo.append(undo)

    def keep(self) -> None:
        """The unit of work succeeded."""
        self._undo.clear()

    def revert(self) -> None:
        """The unit of work failed."""
        while self._undo:
            self._undo.pop()()


class Table(Generic[K, V]):
    """Rows by key, in order of insertion."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rows: dict[K, V] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[V]:
        return iter(self._rows.values())

    def get(self, key: K) -> V | None:
        """The row, or None."""
        return self._rows.get(key)

    def set(self, key: K, value: V) -> None:
        """Insert or replace."""
        if key in self._rows:
            old = self._rows[key]
            self._ledger.note(lambda: self._rows.__setitem__(key, old))
        else:
            self._ledger.note(lambda: self._rows.pop(key))
        self._rows[key] = value

    def replace(self, key: K, value: V, what: str) -> None:
        """Replace; KeyError, naming ``what``, where there is no such row."""
        if key not in self._rows:
            raise KeyError(f"there is no {what} {key}")
        self.set(key, value)

    def delete(self, key: K) -> bool:
        """Whether there was such a row."""
        if key not in self._rows:
            return False
        old = self._rows[key]
        self._ledger.note(lambda: self._rows.__setitem__(key, old))
        del self._rows[key]
        return True
