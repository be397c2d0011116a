"""Where the values of a document stood, in a tree that mirrors the data.

Built by ``builder`` while it reads, walked by whoever reports a problem. Plain tuples, because a document has
thousands of them and few are ever looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from workflow.problems import Position

Data: TypeAlias = "bool | int | float | str | list[Data] | dict[str, Data] | None"
"""What JSON can say."""

Placed: TypeAlias = "tuple[int, int, Place]"
"""A key's line and column (from 1), and the place of its value."""

Place: TypeAlias = "tuple[str, int, int, Mapping[str, Placed] | Sequence[Place] | None]"
"""File, line, column (from 1; 0 when unknown) of a value, and the places of what it holds."""

Path: TypeAlias = "Sequence[str | int]"


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
            return Position(around[0], line, column)
    file, line, column, _ = place_at(place, path)
    return Position(file, line, column)
