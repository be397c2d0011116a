"""Segment files made in memory, for the tests of frames, scan and recovery."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.adapters.segments.frames import Draft, Frame, Kind, SegmentHead, batch, payload_of, segment_head

SALT = bytes(range(16))


@dataclass(frozen=True, slots=True)
class Made:
    """A segment's bytes; where each batch ends; what each batch holds."""

    head: SegmentHead
    data: bytes
    ends: tuple[int, ...]
    batches: tuple[tuple[Draft, ...], ...]


def draft(execution: str = "e1", first: int = 1, *records: bytes, attempt: int = 1) -> Draft:
    """A frame to be written."""
    return Draft(Kind.RECORDS, execution, attempt, first, len(records), payload_of(records))


def made(batches: list[list[Draft]], number: int = 1, first_batch: int = 1) -> Made:
    """A whole segment."""
    head = SegmentHead(number, first_batch, SALT)
    data = segment_head(head)
    ends = []
    for order, drafts in enumerate(batches, start=first_batch):
        data += b"".join(batch(order, drafts, head.seed))
        ends.append(len(data))
    return Made(head, data, tuple(ends), tuple(map(tuple, batches)))


def content(frame: Frame, data: bytes) -> Draft:
    """A frame that was found, as it was written."""
    payload = data[frame.offset : frame.offset + frame.length][-(frame.length - 32 - len(frame.execution)) or None :]
    if frame.length == 32 + len(frame.execution):
        payload = b""
    return Draft(frame.kind, frame.execution, frame.attempt, frame.first, frame.count, payload)
