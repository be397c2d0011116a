"""Server-sent events, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.client.events import MAX_EVENT, Event, EventReader, TooLarge

STREAM = (
    b": comment\n\n"
    b'id: 1\nevent: log\ndata: {"a":\ndata: "\xc3\xa4"}\n\n'
    b"event: end\r\ndata:x\r\n\r\n"
    b"retry: 5\n\n"
    b"data: y\n\n"
)
EVENTS = [Event("log", '{"a":\n"ä"}', "1"), Event("end", "x", "1"), Event("message", "y", "1")]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=10))
def test_cut_anywhere(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    reader = EventReader()
    found = [event for a, b in pairwise(places) for event in reader.feed(STREAM[a:b])]
    assert found == EVENTS


def test_what_is_not_complete_is_no_event() -> None:
    assert list(EventReader().feed(b"event: log\ndata: x\n")) == []


def test_an_endless_line_is_not_kept() -> None:
    reader = EventReader()
    with pytest.raises(TooLarge):
        for _ in range(MAX_EVENT // 1_000_000 + 2):
            list(reader.feed(b"data: " + b"x" * 1_000_000))


def test_an_endless_event_is_not_kept() -> None:
    reader = EventReader()
    with pytest.raises(TooLarge):
        for _ in range(MAX_EVENT // 1_000_000 + 2):
            list(reader.feed(b"data: " + b"x" * 1_000_000 + b"\n"))
