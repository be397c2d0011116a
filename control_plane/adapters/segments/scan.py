"""Reads a whole segment's bytes after a restart: what is sound, what was torn, what is damaged. Pure. Called by
recovery.

Torn: the last batch, when it is not whole. Nobody was told that it is stored, so it is cut off. Damaged: anything
else that does not read well; it is named and never passed over in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from control_plane.adapters.segments.frames import (
    BATCH,
    BATCH_MAGIC,
    FRAME_MAGIC,
    SEGMENT,
    BatchHead,
    Frame,
    SegmentHead,
    read_batch_head,
    read_frame,
)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that were durable once and cannot be read."""

    offset: int
    length: int
    what: str


@dataclass(slots=True)
class Scan:
    """What a segment holds. Frames by the number of their batch; ``end``: where sound data ends; ``next_batch``: the
    number that would follow."""

    next_batch: int
    end: int = SEGMENT.size
    frames: list[tuple[int, Frame]] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)


def scan(data: bytes, head: SegmentHead) -> Scan:
    """Walk the batches of a segment whose header was read already."""
    found = Scan(head.first_batch)
    while found.end < len(data):
        batch = read_batch_head(data, found.end, head.seed)
        if batch is not None and batch.number == found.next_batch:
            proceeded = _take(data, head, batch, found)
        else:
            proceeded = _skip_to_next(data, head, found)
        if not proceeded:
            break
    return found


def _take(data: bytes, head: SegmentHead, batch: BatchHead, found: Scan) -> bool:
    """Take a batch. False where it is torn, and so the last one."""
    start = found.end + BATCH.size
    stop = start + batch.length
    frames, sound_to = _frames(data, start, stop, head.seed)
    if sound_to != stop or len(frames) != batch.frames:
        if _later_batch(data, head, stop, batch.number) is None:
            return False
        frames = _salvaged(data, start, stop, head.seed)
        lost = f"{batch.frames - len(frames)} of {batch.frames} frames in batch {batch.number}"
        found.damage.append(Damage(start, batch.length, lost))
    found.frames += [(batch.number, frame) for frame in frames]
    found.end, found.next_batch = stop, batch.number + 1
    return True


def _frames(data: bytes, start: int, stop: int, seed: int) -> tuple[list[Frame], int]:
    """The sound frames from ``start``, one behind the other, and where they end."""
    view = memoryview(data)
    frames: list[Frame] = []
    while start < stop and (frame := read_frame(view, start, min(stop, len(data)), seed)) is not None:
        frames.append(frame)
        start += frame.length
    return frames, start


def _salvaged(data: bytes, start: int, stop: int, seed: int) -> list[Frame]:
    """Every sound frame of a damaged batch."""
    frames: list[Frame] = []
    at = data.find(FRAME_MAGIC, start, stop)
    while at >= 0:
        frame = read_frame(memoryview(data), at, stop, seed)
        if frame is not None:
            frames.append(frame)
        at = data.find(FRAME_MAGIC, at + (frame.length if frame else 1), stop)
    return frames


def _skip_to_next(data: bytes, head: SegmentHead, found: Scan) -> bool:
    """Where no sound batch begins: go on at the next one, naming what lies between.

    False where there is none, which is a torn tail.
    """
    later = _later_batch(data, head, found.end + 1, found.next_batch - 1)
    if later is None:
        return False
    offset, batch = later
    found.damage.append(Damage(found.end, offset - found.end, f"what stood before batch {batch.number}"))
    found.end, found.next_batch = offset, batch.number
    return True


def _later_batch(data: bytes, head: SegmentHead, start: int, after: int) -> tuple[int, BatchHead] | None:
    """The first batch header from ``start`` with a number behind ``after``."""
    at = data.find(BATCH_MAGIC, start)
    while at >= 0:
        batch = read_batch_head(data, at, head.seed)
        if batch is not None and batch.number > after:
            return at, batch
        at = data.find(BATCH_MAGIC, at + 1)
    return None
