"""Appends what waits to the active segment and makes it durable with one fdatasync. Runs in the batcher's thread alone.

Where the disk refuses, what was half written is cut off again and everybody who waited is told; the next batch tries
afresh. After a failed fsync the file is not trusted with new data: a new segment is begun.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from control_plane.adapters.batching import Done, Failed, Outcome
from control_plane.adapters.segments.frames import BATCH, FRAME, Draft, Frame, Kind, batch
from control_plane.adapters.segments.index import Index
from control_plane.adapters.segments.segment import Segment
from control_plane.ports.journals import JournalUnavailable


@dataclass(frozen=True, slots=True)
class Append:
    """Frames that belong together, and what to answer once they are durable."""

    drafts: tuple[Draft, ...]
    answer: int


class Writer:
    """The end of the log. ``sealed`` is called with each segment that takes no more."""

    def __init__(
        self, directory: Path, index: Index, active: Segment, size: int, sealed: Callable[[Segment], None]
    ) -> None:
        self._directory = directory
        self._index = index
        self._active: Segment | None = active
        self._next_number = active.head.number
        self._next_batch = active.head.first_batch
        self._size = size
        self._sealed = sealed

    def perform(self, jobs: Sequence[Append]) -> Sequence[Outcome]:
        """Store all jobs, or none."""
        drafts = [draft for job in jobs for draft in job.drafts]
        try:
            segment = self._segment()
            begin = self._append(segment, drafts)
        except OSError as error:
            return [Failed(_refusal(error, self._directory))] * len(jobs)
        self._next_batch += 1
        self._note(segment, begin, drafts)
        return [Done(job.answer) for job in jobs]

    def close(self) -> None:
        """Let go of the active segment."""
        if self._active is not None:
            self._active.close()

    def _append(self, segment: Segment, drafts: Sequence[Draft]) -> int:
        buffers = batch(self._next_batch, drafts, segment.head.seed)
        try:
            return segment.append(buffers)
        except OSError as error:
            if not _cut_off(segment) or not segment.trusted or error.errno == errno.EFBIG:
                self._seal(segment)
            raise

    def _segment(self) -> Segment:
        """Where to append. A full segment is sealed when its successor exists; without one it goes on being used."""
        active = self._active
        if active is not None and active.durable < self._size:
            return active
        self._next_number += 1  # also where it fails: what is left of a file that could not be made is in nobody's way
        try:
            fresh = Segment.create(self._directory, self._next_number, self._next_batch)
        except OSError:
            if active is None:
                raise
            return active
        if active is not None:
            self._seal(active)
        self._active = fresh
        return fresh

    def _seal(self, segment: Segment) -> None:
        self._active = None
        self._sealed(segment)

    def _note(self, segment: Segment, begin: int, drafts: Sequence[Draft]) -> None:
        """Show readers what is durable now."""
        at = begin + BATCH.size
        for draft in drafts:
            length = FRAME.size + len(draft.execution) + len(draft.payload)
            if draft.kind is Kind.REMOVED:
                self._index.drop(draft.execution)
            else:
                frame = Frame(draft.kind, draft.execution, draft.attempt, draft.first, draft.count, at, length)
                self._index.add(segment, [frame])
            at += length


def _cut_off(segment: Segment) -> bool:
    """Whether what a failed append left could be removed, so that the file may go on."""
    try:
        segment.take_back()
    except OSError:
        return False
    return True


def _refusal(error: OSError, directory: Path) -> JournalUnavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return JournalUnavailable(f"the disk that holds the journal {directory} is full")
    return JournalUnavailable(f"the journal {directory} cannot be written: {error.strerror}")
