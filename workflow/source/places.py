"""Where the values of a document stood, in a tree that mirrors the data.

Built by ``builder`` while it reads, walked by whoever reports a problem. Plain tuples, because a document has
thousands of them and few are ever looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

from workflow.problems import Position


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file as it was read: its name for messages, and its text to point into."""

    name: str
    text: str = field(default="", repr=False)

    @property
    def lines(self) -> Sequence[str]:
        """The lines of the text. Those of the last file are remembered, for a file may have many problems."""
        return _lines(self)


@lru_cache(maxsize=1)
def _lines(source: Source) -> Sequence[str]:
    return source.text.splitlines()


Data: TypeAlias = "bool | int | float | str | list[Data] | dict[str, Data] | None"
"""What JSON can say."""

Placed: TypeAlias = "tuple[int, int, Place]"
"""A key's line and column (from 1), and the place of its value."""

Place: TypeAlias = "tuple[Source, int, int, Mapping[str, Placed] | Sequence[Place] | None]"
"""Source, line, column (from 1; 0 when unknown) of a value, and the places of what it holds."""

Path: TypeAlias = "Sequence[str | int]"

_SHORTEST_WORD: Final = 3
_LONGEST_WORD: Final = 40
_NEAR: Final = 200  # lines


def place_at(place: Place, path: Path) -> Place:
    """The place of the value at ``path``, or of the nearest value around it that was written."""
    for step in path:
        inside = place[3]
        if isinstance(step, str) and isinstance(inside, Mapping) and step in inside:
            place = inside[step][2]
        elif isinstance(step, int) and isinstance(inside, Sequence) and 0 <= step < len(inside):
            place = inside[step]
        else:
            break
    return place


def position_at(place: Place, path: Path, *, key: bool = False) -> Position:
    """The position of the value at ``path`` (with ``key``: of its key), or of the nearest value around it."""
    if key and path:
        around = place_at(place, path[:-1])
        inside = around[3]
        last = path[-1]
        if isinstance(last, str) and isinstance(inside, Mapping) and last in inside:
            line, column, _ = inside[last]
            return Position(around[0].name, line, column)
    source, line, column, _ = place_at(place, path)
    return Position(source.name, line, column)


def position_inside(place: Place, value: str, offset: int) -> Position:
    """The position of a character of a text that stands at ``place``; of the text's start where that cannot be told.

    ``offset`` counts characters of the value from 0. Exact for plain and quoted texts without escapes and for literal
    blocks; in folded texts the word at the offset is looked for.
    """
    source, line, column, _ = place
    lines = source.lines
    start = Position(source.name, line, column)
    if not 0 < line <= len(lines):
        return start
    before = value[:offset]
    written = value[before.rfind("\n") + 1 :].split("\n", 1)[0]
    within = offset - (before.rfind("\n") + 1)
    opening = lines[line - 1][column - 1 : column]
    if opening == "|":
        line, column = line + 1 + before.count("\n"), 1
    if line <= len(lines) and (opening == "|" or "\n" not in value):
        found = lines[line - 1].find(written, column - 1)
        if written and found >= 0:
            return Position(source.name, line, found + within + 1)
    return _word_found(source.name, lines, start, value[offset:]) or start


def _word_found(file: str, lines: Sequence[str], start: Position, rest: str) -> Position | None:
    """Where the rest of a text goes on, if its next word is long enough and is written once only near the start."""
    word = rest.split(None, 1)[0][:_LONGEST_WORD] if rest.strip() else ""
    near = range(start.line - 1, min(len(lines), start.line + _NEAR))
    begin = {start.line - 1: start.column - 1}
    hits = [(n, c) for n in near if (c := lines[n].find(word, begin.get(n, 0))) >= 0]
    if len(word) < _SHORTEST_WORD or len(hits) != 1 or lines[hits[0][0]].count(word) > 1:
        return None
    return Position(file, hits[0][0] + 1, hits[0][1] + 1)
