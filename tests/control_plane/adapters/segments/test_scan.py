"""What a scan finds after a crash: whole batches and nothing else; what was durable and is damaged is named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.adapters.segments.frames import (
    BATCH_MAGIC,
    FRAME_MAGIC,
    SEGMENT,
    Draft,
    Kind,
    batch,
    read_segment_head,
    records_in,
    segment_head,
)
from control_plane.adapters.segments.scan import Scan, scan
from tests.control_plane.adapters.segments.files import Made, content, draft, made

_drafts = st.builds(
    Draft,
    st.sampled_from(Kind),
    st.sampled_from(["a", "e1", "x" * 64]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**63),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=60),
)
_segments = st.lists(st.lists(_drafts, min_size=1, max_size=4), max_size=5).map(made)


def found(result: Scan, data: bytes) -> list[tuple[int, Draft]]:
    """What was found, by batch."""
    return [(number, content(frame, data)) for number, frame in result.frames]


def written(one: Made, batches: int) -> list[tuple[int, Draft]]:
    """What the first batches hold."""
    return [(number, each) for number, drafts in enumerate(one.batches[:batches], 1) for each in drafts]


@given(_segments)
def test_what_was_written_is_found(one: Made) -> None:
    result = scan(one.data, one.head)
    assert found(result, one.data) == written(one, len(one.batches))
    assert (result.end, result.next_batch, result.damage) == (len(one.data), len(one.batches) + 1, [])
    assert read_segment_head(one.data) == one.head


@given(_segments, st.data())
def test_cut_anywhere_it_gives_the_whole_batches_before(one: Made, data: st.DataObject) -> None:
    cut = data.draw(st.integers(SEGMENT.size, len(one.data)))
    tail = data.draw(st.sampled_from([b"", bytes(50), b"\xff" * 50]))
    torn = one.data[:cut] + tail
    whole = sum(end <= cut for end in one.ends)
    result = scan(torn, one.head)
    assert found(result, torn) == written(one, whole)
    assert result.damage == []
    assert result.end == max([SEGMENT.size, *(end for end in one.ends if end <= cut)])


def test_cut_at_every_byte() -> None:
    one = made(
        [[draft("e1", 1, b"abc", b"")], [draft("e2", 1, b"x"), draft("e1", 3, b"y" * 40)], [draft("e1", 4, b"")]]
    )
    for cut in range(SEGMENT.size, len(one.data) + 1):
        result = scan(one.data[:cut], one.head)
        assert found(result, one.data) == written(one, sum(end <= cut for end in one.ends))
        assert result.damage == []


def test_the_pages_of_the_last_batch_may_come_in_any_order() -> None:
    one = made([[draft("e1", 1, b"abc")], [draft("e2", 1, b"x" * 200), draft("e1", 2, b"y" * 200)]])
    start, end = one.ends
    for hole in range(start, end, 50):
        torn = one.data[:hole] + bytes(min(50, end - hole)) + one.data[hole + 50 :]
        result = scan(torn, one.head)
        assert found(result, torn) == written(one, 1)
        assert (result.end, result.damage) == (start, [])


@settings(max_examples=300)
@given(_segments.filter(lambda one: len(one.batches) > 1), st.data())
def test_a_flipped_bit_before_the_last_batch_is_damage_and_nothing_false_is_read(
    one: Made, data: st.DataObject
) -> None:
    at = data.draw(st.integers(SEGMENT.size, one.ends[-2] - 1))
    flipped = bytearray(one.data)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    result = scan(bytes(flipped), one.head)
    everything = written(one, len(one.batches))
    assert result.damage
    assert result.end == len(one.data)
    assert all(each in everything for each in found(result, bytes(flipped)))
    assert found(result, bytes(flipped))[-len(one.batches[-1]) :] == everything[-len(one.batches[-1]) :]


def test_what_is_sound_in_a_damaged_batch_is_saved() -> None:
    one = made([[draft("a", 1, b"1"), draft("b", 1, b"2" * 50), draft("c", 1, b"3")], [draft("a", 2, b"4")]])
    place = one.data.index(b"2" * 50)
    flipped = one.data[:place] + b"X" + one.data[place + 1 :]
    result = scan(flipped, one.head)
    assert [frame.execution for _, frame in result.frames] == ["a", "c", "a"]
    assert "1 of 3 frames in batch 1" in result.damage[0].what


def test_output_that_looks_like_frames_is_output() -> None:
    forged = b"".join(batch(2, [draft("forged", 1, b"!")], 0)) + BATCH_MAGIC * 3 + FRAME_MAGIC * 3
    one = made([[draft("e1", 1, forged)], [draft("e1", 2, b"x")]])
    assert found(scan(one.data, one.head), one.data) == written(one, 2)
    place = one.data.index(forged)
    broken = one.data[: place - 1] + b"\x77" + one.data[place:]
    result = scan(broken, one.head)
    assert [frame.execution for _, frame in result.frames] == ["e1"]
    assert result.damage


def test_what_another_file_left_is_not_taken_for_ours() -> None:
    one = made([[draft("e1", 1, b"x")]])
    other = made([[draft("old", 1, b"x")], [draft("old", 2, b"y")], [draft("old", 3, b"z")]])
    stale = b"".join(batch(2, [draft("old", 2, b"y")], 12345)) + other.data[other.ends[0] :].replace(b"MJBT", b"MJBX")
    result = scan(one.data + stale, one.head)
    assert [frame.execution for _, frame in result.frames] == ["e1"]


@pytest.mark.parametrize("at", range(SEGMENT.size))
def test_a_damaged_header_is_none(at: int) -> None:
    data = bytearray(segment_head(made([]).head))
    data[at] ^= 1
    assert read_segment_head(data) is None


def test_a_payload_that_does_not_add_up_is_an_error() -> None:
    assert list(records_in(b"")) == []
    for bad in (b"\x01", b"\x05\0\0\0abc"):
        with pytest.raises(ValueError, match="cut"):
            list(records_in(bad))
