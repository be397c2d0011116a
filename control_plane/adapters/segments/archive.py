"""Journals of sealed segments, an object for each execution and segment. Called by the archiver (writes, deletes) and
the readers.

    object:  blocks, index, "MUSTERO1" index_length:u32 index_crc:u32
    block:   a payload (see frames): records of one attempt, without gaps, about 256 KiB
    index:   of each block attempt:u32 first:u64 count:u32 offset:u64 length:u32 crc:u32

The key is ``journal/<execution>/<first position>-<segment>``. A segment does not change once it is sealed, so writing
its objects again writes the same: a crash at any moment is mended by doing all of it again.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from control_plane.adapters.buckets import Bucket
from control_plane.adapters.segments.pieces import Piece, Source
from control_plane.adapters.segments.segment import Damaged
from control_plane.ports.journals import Position

_TRAILER = struct.Struct("<8sII")
_ENTRY = struct.Struct("<IQIQII")
_MAGIC = b"MUSTERO1"

BLOCK = 256 * 1024
"""Bytes of a block, about: what a reader fetches at the least."""
IN_ONE_GO = 4 * 1024 * 1024
"""Larger objects are streamed instead of being held in memory."""
_REMEMBERED = 512  # executions whose list of objects is kept in memory


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one attempt as they lie in a segment."""

    attempt: int
    first: int
    count: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """Where a run of records lies in an object."""

    attempt: int
    first: int
    count: int
    offset: int
    length: int
    crc: int


@dataclass(frozen=True, slots=True)
class Archived:
    """An object and what it holds, in order of (attempt, first)."""

    key: str
    blocks: tuple[Block, ...]


class Archive:
    """The journal objects of a bucket. Safe to use from several threads. BucketUnavailable, Damaged."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = threading.Lock()
        self._known: OrderedDict[str, list[Archived]] = OrderedDict()
        self._removed: set[str] = set()
        self._changes = 0

    def store(self, execution: str, segment: str, runs: Iterable[Run], size: int) -> str | None:
        """Write an object and give its key; None where there are no runs. Readers may not see it before ``publish``.

        ``segment``: the name of the segment, so that no other one can take the key; ``size`` in bytes, about.
        """
        merged_runs = _joined(runs)
        head = next(merged_runs, None)
        if head is None:
            return None
        key = f"{_folder(execution)}/{head.attempt:010d}.{head.first:020d}-{segment}"
        parts = _object(_chain(head, merged_runs))
        self._bucket.put(key, b"".join(parts) if size <= IN_ONE_GO else parts)
        return key

    def publish(self, keys: Sequence[tuple[str, str]]) -> None:
        """Make objects, given as (execution, key), durable and known to readers."""
        self._bucket.make_durable([key for _, key in keys])
        with self._lock:
            self._changes += 1
            for execution, _ in keys:
                self._known.pop(execution, None)

    def sweep(self) -> None:
        """Delete what a killed process left half written."""
        self._bucket.sweep("journal")

    def hide(self, execution: str) -> None:
        """The execution was removed: its objects, which ``delete`` takes away in a while, are read no more."""
        with self._lock:
            self._changes += 1
            self._known.pop(execution, None)
            self._removed.add(execution)

    def delete(self, execution: str) -> None:
        """Delete all objects of a removed execution."""
        for key, _ in self._bucket.list(_folder(execution)):
            self._bucket.delete(key)
        with self._lock:
            self._changes += 1
            self._known.pop(execution, None)
            self._removed.discard(execution)

    def sources(self, execution: str, after: Position, limit: int) -> Sequence[Source]:
        """What each object has behind ``after``: about ``limit`` bytes and a block more, where there is so much."""
        return [self._source(archived, after, limit) for archived in self._objects(execution)]

    def last(self, execution: str, attempt: int) -> int:
        """The highest number of the attempt in any object; 0 where there is none."""
        blocks = (block for archived in self._objects(execution) for block in archived.blocks)
        return max((block.first + block.count - 1 for block in blocks if block.attempt == attempt), default=0)

    def _source(self, archived: Archived, after: Position, limit: int) -> Source:
        blocks = archived.blocks
        behind = (n for n, block in enumerate(blocks) if (block.attempt, block.first) > (after.attempt, after.seq + 1))
        start = max(next(behind, len(blocks)) - 1, 0)
        size = 0
        for stop in range(start + 1, len(blocks)):
            if size >= limit:
                break
            size += blocks[stop].length
        else:
            stop = len(blocks)
        pieces = [
            Piece(block.attempt, block.first, block.count, partial(self._load, archived.key, block))
            for block in blocks[start:stop]
        ]
        return Source(pieces, stop == len(blocks))

    def _load(self, key: str, block: Block) -> bytes:
        payload = self._bucket.get(key, block.offset, block.length)
        if len(payload) != block.length or zlib.crc32(payload) != block.crc:
            raise Damaged(f"the journal object {key} is damaged at byte {block.offset}")
        return payload

    def _objects(self, execution: str) -> list[Archived]:
        with self._lock:
            if execution in self._removed:
                return []
            known, changes = self._known.get(execution), self._changes
            if known is not None:
                self._known.move_to_end(execution)
                return known
        found = [self._described(key, size) for key, size in self._bucket.list(_folder(execution))]
        with self._lock:
            if changes == self._changes:  # else the list may be too old to be kept; for this reading it is good
                self._known[execution] = found
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return found

    def _described(self, key: str, size: int) -> Archived:
        tail = self._bucket.get(key, max(size - BLOCK, 0), min(size, BLOCK))
        if len(tail) < _TRAILER.size:
            raise Damaged(f"the journal object {key} is damaged: it is too short")
        magic, length, crc = _TRAILER.unpack_from(tail, len(tail) - _TRAILER.size)
        begin = size - _TRAILER.size - length
        if magic != _MAGIC or begin < 0:
            raise Damaged(f"the journal object {key} is damaged: it has no end")
        index = tail[-_TRAILER.size - length : -_TRAILER.size]
        if len(index) < length:
            index = self._bucket.get(key, begin, length)
        if zlib.crc32(index) != crc:
            raise Damaged(f"the journal object {key} is damaged: its index does not read well")
        return Archived(key, tuple(Block(*entry) for entry in _ENTRY.iter_unpack(index)))


def _folder(execution: str) -> str:
    return f"journal/{execution}"


def _joined(runs: Iterable[Run]) -> Iterator[Run]:
    """Neighbours joined up to a block's size."""
    waiting: list[Run] = []
    size = 0
    for run in runs:
        if waiting and (size + len(run.payload) > BLOCK or not _follows(waiting[-1], run)):
            yield _join(waiting)
            waiting, size = [], 0
        waiting.append(run)
        size += len(run.payload)
    if waiting:
        yield _join(waiting)


def _follows(before: Run, run: Run) -> bool:
    return before.attempt == run.attempt and before.first + before.count == run.first


def _join(runs: Sequence[Run]) -> Run:
    payload = b"".join(run.payload for run in runs)
    return Run(runs[0].attempt, runs[0].first, sum(run.count for run in runs), payload)


def _chain(head: Run, rest: Iterator[Run]) -> Iterator[Run]:
    yield head
    yield from rest


def _object(runs: Iterator[Run]) -> Iterator[bytes]:
    """The bytes of an object, a block at a time."""
    index: list[bytes] = []
    offset = 0
    for run in runs:
        length = len(run.payload)
        index.append(_ENTRY.pack(run.attempt, run.first, run.count, offset, length, zlib.crc32(run.payload)))
        yield run.payload
        offset += length
    packed = b"".join(index)
    yield packed
    yield _TRAILER.pack(_MAGIC, len(packed), zlib.crc32(packed))
