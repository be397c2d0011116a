"""Text made of bytes that are cut anywhere is the text of the whole, from wherever one goes on."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.ports.journals import Position
from control_plane.services.decoding import BadPlace, Place
from control_plane.services.logs import Chunk
from workflow.identifiers import ExecutionId, Instant, StepRef
from workflow.journal import Stream

E = ExecutionId("e")


def chunk(seq: int, data: bytes, *, ref: str = "1", stream: Stream = Stream.STDOUT, last: bool = False) -> Chunk:
    return Chunk(E, Position(1, seq), StepRef(ref), stream, Instant(0), data, last)


_BYTES = st.one_of(st.binary(max_size=40), st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")))


@given(data=_BYTES, cuts=st.lists(st.integers(0, 60), max_size=8), resume=st.integers(0, 9))
def test_cut_anywhere_and_resumed_anywhere(data: bytes, cuts: list[int], resume: int) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [chunk(n, data[a:b]) for n, (a, b) in enumerate(pairwise(places), start=1)]
    chunks.append(chunk(len(chunks) + 1, b"", last=True))
    first = Place()
    views = list(first.texts(chunks[:resume]))
    views += Place(str(first)).texts(chunks[resume:])
    assert "".join(view.text for view in views) == data.decode("utf-8", "replace")


def test_streams_and_steps_are_told_apart() -> None:
    euro = "€".encode()
    place = Place()
    chunks = [
        chunk(1, euro[:1]),
        chunk(2, euro[:2], stream=Stream.STDERR),
        chunk(3, euro, ref="2"),
        chunk(4, euro[1:]),
        chunk(5, euro[2:], stream=Stream.STDERR),
    ]
    assert [(view.text, view.position) for view in place.texts(chunks)] == [
        ("€", "1.3~1oe2~1ee282"),
        ("€", "1.4~1ee282"),
        ("€", "1.5"),
    ]


def test_a_new_attempt_begins_anew() -> None:
    place = Place()
    again = Chunk(E, Position(2, 1), StepRef("1"), Stream.STDOUT, Instant(0), b"x", False)
    assert [view.text for view in place.texts([chunk(1, b"\xe2"), again])] == ["x"]


@pytest.mark.parametrize("token", ["x", "1", "1.2.3", "1.-2", "-1.2", "1.2~", "1.2~1xff", "1.2~1o", "1." + "9" * 30])
def test_other_tokens_are_refused(token: str) -> None:
    with pytest.raises(BadPlace, match="no place in a log"):
        Place(token)
