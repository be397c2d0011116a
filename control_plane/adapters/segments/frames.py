"""The form of a segment file: pure functions between bytes and frames. Called by the segment, the writer and recovery.

A segment is a header and batches; a batch is what one fsync made durable: a header and frames; a frame is a run of
records of one attempt, or the word that an execution was removed. All numbers are little-endian. Checksums begin from
the segment's salt, so that neither an older file's bytes nor what a step prints can pass for a frame.

    segment: "MUSTERJ1" number:u64 first_batch:u64 salt:16 crc:u32
    batch:   "MJBT" number:u64 frames:u32 length:u32 crc:u32               length: bytes of its frames
    frame:   "MJFR" kind:u8 id_length:u8 0:u16 attempt:u32 first:u64 count:u32 length:u32 crc:u32, id, payload
    payload: of each record length:u32 and its bytes (protos.codec.journal.pack)

Batches are numbered without gaps through all segments. This is what tells a torn tail from damage: a batch is begun
only when the one before it is durable, so only the last one can be torn.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

SEGMENT = struct.Struct("<8sQQ16sI")
BATCH = struct.Struct("<4sQIII")
FRAME = struct.Struct("<4sBBHIQIII")
LENGTH = struct.Struct("<I")

_SEGMENT_MAGIC = b"MUSTERJ1"
BATCH_MAGIC = b"MJBT"
FRAME_MAGIC = b"MJFR"

MAX_PAYLOAD = 1024 * 1024
"""Bytes of records in one frame, more only where a single record is larger: bounds what a reader must hold."""

Buffer = bytes | bytearray | memoryview


class Kind(IntEnum):
    """What a frame says."""

    RECORDS = 1
    REMOVED = 2


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """How a segment file begins."""

    number: int
    first_batch: int
    salt: bytes

    @property
    def name(self) -> str:
        """A name that no other segment has, in this directory or another."""
        return self.salt[:6].hex()

    @property
    def seed(self) -> int:
        """What the checksums begin from."""
        return zlib.crc32(self.salt)


@dataclass(frozen=True, slots=True)
class BatchHead:
    """How a batch begins."""

    number: int
    frames: int
    length: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A frame that is not written yet. ``count`` records from number ``first``; both 0 for REMOVED."""

    kind: Kind
    execution: str
    attempt: int
    first: int
    count: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame in a file. ``offset`` is where it begins there, ``length`` all its bytes."""

    kind: Kind
    execution: str
    attempt: int
    first: int
    count: int
    offset: int
    length: int


def segment_head(head: SegmentHead) -> bytes:
    """The header's bytes."""
    fixed = SEGMENT.pack(_SEGMENT_MAGIC, head.number, head.first_batch, head.salt, 0)[: -LENGTH.size]
    return fixed + LENGTH.pack(zlib.crc32(fixed))


def read_segment_head(data: Buffer) -> SegmentHead | None:
    """The header at the beginning of ``data``; None where there is none."""
    if len(data) < SEGMENT.size:
        return None
    magic, number, first_batch, salt, crc = SEGMENT.unpack_from(data)
    if magic != _SEGMENT_MAGIC or crc != zlib.crc32(data[: SEGMENT.size - LENGTH.size]):
        return None
    return SegmentHead(number, first_batch, salt)


def batch(number: int, drafts: Sequence[Draft], seed: int) -> list[bytes]:
    """A whole batch as buffers to be written one after the other."""
    parts = [part for draft in drafts for part in _frame(draft, seed)]
    fixed = BATCH.pack(BATCH_MAGIC, number, len(drafts), sum(map(len, parts)), 0)[: -LENGTH.size]
    return [fixed + LENGTH.pack(zlib.crc32(fixed, seed)), *parts]


def frame_size(draft: Draft) -> int:
    """Bytes of the frame in a file."""
    return FRAME.size + len(draft.execution) + len(draft.payload)


def _frame(draft: Draft, seed: int) -> tuple[bytes, bytes]:
    ident = draft.execution.encode("ascii")
    fixed = FRAME.pack(
        FRAME_MAGIC, draft.kind, len(ident), 0, draft.attempt, draft.first, draft.count, len(draft.payload), 0
    )[: -LENGTH.size]
    crc = zlib.crc32(draft.payload, zlib.crc32(ident, zlib.crc32(fixed, seed)))
    return fixed + LENGTH.pack(crc) + ident, draft.payload


def read_batch_head(data: Buffer, at: int, seed: int) -> BatchHead | None:
    """The batch header at ``at``; None where there is none."""
    if len(data) < at + BATCH.size:
        return None
    magic, number, frames, length, crc = BATCH.unpack_from(data, at)
    if magic != BATCH_MAGIC or crc != zlib.crc32(data[at : at + BATCH.size - LENGTH.size], seed):
        return None
    return BatchHead(number, frames, length)


def read_frame(data: Buffer, at: int, end: int, seed: int) -> Frame | None:
    """The frame at ``at`` that ends at or before ``end``; None where there is no whole and sound one."""
    if end < at + FRAME.size:
        return None
    magic, kind, ident_length, _, attempt, first, count, length, crc = FRAME.unpack_from(data, at)
    stop = at + FRAME.size + ident_length + length
    if magic != FRAME_MAGIC or stop > end:
        return None
    fixed = zlib.crc32(data[at : at + FRAME.size - LENGTH.size], seed)
    if crc != zlib.crc32(data[at + FRAME.size : stop], fixed) or kind not in (Kind.RECORDS, Kind.REMOVED):
        return None
    ident = bytes(data[at + FRAME.size : at + FRAME.size + ident_length])
    return Frame(Kind(kind), ident.decode("ascii"), attempt, first, count, at, stop - at)


def payload_offset(frame: Frame) -> int:
    """Where the frame's payload begins in the file."""
    return frame.offset + FRAME.size + len(frame.execution)


def payload_of(records: Sequence[bytes]) -> bytes:
    """Packed records as a payload."""
    return b"".join(part for record in records for part in (LENGTH.pack(len(record)), record))


def records_in(payload: Buffer) -> Iterator[Buffer]:
    """The packed records of a payload. ValueError where the lengths do not add up."""
    at = 0
    while at < len(payload):
        if at + LENGTH.size > len(payload):
            raise ValueError("a length is cut")
        (length,) = LENGTH.unpack_from(payload, at)
        at += LENGTH.size
        if at + length > len(payload):
            raise ValueError("a record is cut")
        yield payload[at : at + length]
        at += length
