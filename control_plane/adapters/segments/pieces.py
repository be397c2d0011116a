"""Reading a journal that lies in several places at once. Pure. Called by the reader; the index and the archive make
the pieces.

A piece is a run of records of one attempt that lies together. The same records may lie in two places for a moment
(archived, and the segment not yet deleted), so what was read already is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from control_plane.adapters.segments.frames import LENGTH, records_in
from control_plane.ports.journals import Position


@dataclass(frozen=True, slots=True)
class Piece:
    """``count`` records from ``first``; ``load`` gives their payload."""

    attempt: int
    first: int
    count: int
    load: Callable[[], bytes]

    @property
    def begin(self) -> tuple[int, int]:
        """Where it stands in the journal."""
        return self.attempt, self.first


@dataclass(frozen=True, slots=True)
class Source:
    """Some pieces of one place, in order; ``complete`` where it has no more."""

    pieces: Sequence[Piece]
    complete: bool


Packed = tuple[Position, bytes]


def merged(sources: Iterable[Source], after: Position, limit: int) -> list[Packed]:
    """The packed records behind ``after``, in order, until about ``limit`` bytes.

    Never goes beyond the last piece of a source that has more, so that nothing is jumped over.
    """
    all_sources = [source for source in sources if source.pieces]
    horizon = min((source.pieces[-1].begin for source in all_sources if not source.complete), default=None)
    found: list[Packed] = []
    latest, size = after, 0
    for piece in sorted((piece for source in all_sources for piece in source.pieces), key=lambda piece: piece.begin):
        if size >= limit or (horizon is not None and piece.begin > horizon):
            break
        if Position(piece.attempt, piece.first + piece.count - 1) <= latest:
            continue
        for number, record in enumerate(records_in(piece.load()), start=piece.first):
            here = Position(piece.attempt, number)
            if here <= latest:
                continue
            if found and size >= limit:
                return found
            found.append((here, bytes(record)))
            latest, size = here, size + LENGTH.size + len(record)
    return found
