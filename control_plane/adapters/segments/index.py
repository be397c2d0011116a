"""Where the records lie that are still in segments: kept in memory, rebuilt at every start. Called by the writer, the
readers, the archiver.

A track is what one segment holds of one execution, as columns of numbers: 36 bytes a frame, so that a segment full of
the smallest frames costs no more than itself.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from control_plane.adapters.segments.frames import Frame, Kind
from control_plane.adapters.segments.segment import Segment
from control_plane.ports.journals import Position


class Track:
    """The frames of one execution in one segment, in order of (attempt, first)."""

    def __init__(self, segment: Segment, execution: str) -> None:
        self.segment = segment
        self.execution = execution
        self._attempts = array("L")
        self._firsts = array("Q")
        self._counts = array("L")
        self._offsets = array("Q")
        self._lengths = array("L")

    def add(self, frame: Frame) -> None:
        """Add a frame; nearly always it is the last in order."""
        place = self._behind(frame.attempt, frame.first)
        self._attempts.insert(place, frame.attempt)
        self._firsts.insert(place, frame.first)
        self._counts.insert(place, frame.count)
        self._offsets.insert(place, frame.offset)
        self._lengths.insert(place, frame.length)

    def frames(self) -> Iterator[Frame]:
        """All, in order."""
        return map(self._frame, range(len(self._firsts)))

    def some(self, after: Position, limit: int) -> tuple[list[Frame], bool]:
        """From the frame that holds what comes behind ``after``, at least ``limit`` bytes behind that frame, where
        there are so many; and whether these are all."""
        start = max(self._behind(after.attempt, after.seq + 1) - 1, 0)
        frames: list[Frame] = []
        size = -self._lengths[start] if start < len(self._firsts) else 0
        for at in range(start, len(self._firsts)):
            if size >= limit:
                return frames, False
            frames.append(self._frame(at))
            size += self._lengths[at]
        return frames, True

    def last(self, attempt: int) -> int:
        """The highest number of the attempt; 0 where there is none."""
        place = self._behind(attempt, 2**64 - 1) - 1
        if place < 0 or self._attempts[place] != attempt:
            return 0
        return self._firsts[place] + self._counts[place] - 1

    def _behind(self, attempt: int, first: int) -> int:
        return bisect_right(range(len(self._firsts)), (attempt, first), key=self._key)

    def _key(self, at: int) -> tuple[int, int]:
        return self._attempts[at], self._firsts[at]

    def _frame(self, at: int) -> Frame:
        return Frame(
            Kind.RECORDS,
            self.execution,
            self._attempts[at],
            self._firsts[at],
            self._counts[at],
            self._offsets[at],
            self._lengths[at],
        )


class Index:
    """All tracks. Safe to use from several threads."""

    def __init__(self) -> None:
        self._tracks: dict[str, list[Track]] = {}
        self._lock = threading.Lock()

    def add(self, segment: Segment, frames: Sequence[Frame]) -> None:
        """Frames that are durable now."""
        with self._lock:
            for frame in frames:
                self._track(segment, frame.execution).add(frame)

    def drop(self, execution: str) -> None:
        """The execution was removed."""
        with self._lock:
            self._tracks.pop(execution, None)

    def forget(self, segment: Segment) -> None:
        """The segment's records are elsewhere now."""
        with self._lock:
            for execution, tracks in list(self._tracks.items()):
                left = [track for track in tracks if track.segment is not segment]
                if left:
                    self._tracks[execution] = left
                else:
                    del self._tracks[execution]

    def of_segment(self, segment: Segment) -> Sequence[Track]:
        """What a segment holds, by execution."""
        with self._lock:
            return [track for tracks in self._tracks.values() for track in tracks if track.segment is segment]

    def retained(self, execution: str, after: Position, limit: int) -> Sequence[tuple[Segment, list[Frame], bool]]:
        """What each segment has behind ``after``, as ``Track.some`` says. The segments are retained for the caller,
        who must release them."""
        with self._lock:
            return [
                (track.segment, *track.some(after, limit))
                for track in self._tracks.get(execution, ())
                if track.segment.retain()
            ]

    def last(self, execution: str, attempt: int) -> int:
        """The highest number of the attempt in any segment; 0 where there is none."""
        with self._lock:
            return max((track.last(attempt) for track in self._tracks.get(execution, ())), default=0)

    def _track(self, segment: Segment, execution: str) -> Track:
        tracks = self._tracks.setdefault(execution, [])
        if not tracks or tracks[-1].segment is not segment:
            tracks.append(Track(segment, execution))
        return tracks[-1]
