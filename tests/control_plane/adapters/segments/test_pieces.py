"""Merging what lies in several places: every record once, in order, and nothing jumped over, whatever each place
gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control_plane.adapters.segments.frames import payload_of
from control_plane.adapters.segments.pieces import Piece, Source, merged
from control_plane.ports.journals import Position


def piece(attempt: int, first: int, count: int) -> Piece:
    """Records that tell their place."""
    payload = payload_of([f"{attempt}.{seq}".encode() for seq in range(first, first + count)])
    return Piece(attempt, first, count, lambda: payload)


@st.composite
def places(draw: st.DrawFn) -> list[list[Piece]]:
    """Two attempts cut into pieces, dealt to three places; some pieces lie in two."""
    dealt: list[list[Piece]] = [[], [], []]
    for attempt in (1, 2):
        first = 1
        for count in draw(st.lists(st.integers(1, 4), max_size=8)):
            for place in draw(st.sets(st.integers(0, 2), min_size=1, max_size=2)):
                dealt[place].append(piece(attempt, first, count))
            first += count
    return dealt


def given_from(dealt: list[list[Piece]], after: Position, some: int) -> list[Source]:
    """What each place gives: from the piece that holds what follows ``after``, at most ``some`` pieces and one."""
    sources = []
    for pieces in dealt:
        behind = sum(each.begin <= (after.attempt, after.seq + 1) for each in pieces)
        rest = pieces[max(behind - 1, 0) :]
        sources.append(Source(rest[: some + 1], len(rest) <= some + 1))
    return sources


@given(places(), st.integers(1, 200), st.integers(1, 3))
def test_reading_page_by_page_gives_all(dealt: list[list[Piece]], limit: int, some: int) -> None:
    everything = sorted(
        {(p.attempt, seq) for pieces in dealt for p in pieces for seq in range(p.first, p.first + p.count)}
    )
    read: list[tuple[int, int]] = []
    after = Position()
    while page := merged(given_from(dealt, after, some), after, limit):
        assert all(data == str(position).encode() for position, data in page)
        read += [(position.attempt, position.seq) for position, _ in page]
        after = page[-1][0]
    assert read == everything


def test_a_place_that_has_more_holds_the_others_back() -> None:
    near = Source([piece(1, 1, 1), piece(1, 2, 1)], complete=False)
    far = Source([piece(1, 4, 1)], complete=True)
    assert [position.seq for position, _ in merged([far, near], Position(), 1000)] == [1, 2]
