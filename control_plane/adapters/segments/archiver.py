"""Moves sealed segments into the archive, and deletes what was removed: one thread, one thing after the other, for
ever retried.

A segment is split into an object for each execution; when all are durable and known to readers, the segment is
deleted. Order matters: a removal that stands in a segment is carried out before that segment goes away, so that a
crash in between repeats it.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tenacity import RetryCallState, Retrying, retry_if_exception_type, sleep_using_event, wait_random_exponential
from tenacity.stop import stop_when_event_set

from control_plane.adapters.buckets import BucketUnavailable
from control_plane.adapters.segments.archive import Archive, Run
from control_plane.adapters.segments.index import Index, Track
from control_plane.adapters.segments.segment import Damaged, Segment

_log = logging.getLogger(__name__)
_PATIENCE = 10.0  # seconds that closing waits for an object under way


@dataclass(frozen=True, slots=True)
class Split:
    """Archive this segment."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this execution's objects."""

    execution: str


class _Stopped(Exception):
    """The program ends; what is left is done after the next start."""


class Archiver:
    """The thread. It owns the segments that it was given, and closes or deletes them."""

    def __init__(self, archive: Archive, index: Index) -> None:
        self._archive = archive
        self._index = index
        self._queue: queue.SimpleQueue[Split | Delete | threading.Event | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal-archive", daemon=True)
        self._thread.start()

    def split(self, segment: Segment) -> None:
        """Archive this segment when its turn comes."""
        self._queue.put(Split(segment))

    def delete(self, execution: str) -> None:
        """Delete this execution's objects when their turn comes."""
        self._queue.put(Delete(execution))

    def caught_up(self) -> threading.Event:
        """Set once all that was asked for until now is done."""
        reached = threading.Event()
        self._queue.put(reached)
        return reached

    def stop(self) -> None:
        """End the thread soon; blocks at most ten seconds."""
        self._stop.set()
        self._queue.put(None)
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        self._archive.sweep()
        while (task := self._queue.get()) is not None:
            try:
                self._perform(task)
            except _Stopped:
                self._let_go(task)
            except Exception:  # noqa: BLE001  said, and mended by the next start; the journal goes on being written
                _log.exception("archiving stops; what is left is archived after the next start")
                self._stop.set()
                self._let_go(task)

    def _perform(self, task: Split | Delete | threading.Event) -> None:
        match task:
            case threading.Event():
                task.set()
            case Delete(execution=execution):
                self._patiently(partial(self._archive.delete, execution), f"the journal of {execution} stays")
            case Split(segment=segment):
                self._patiently(partial(self._split, segment), f"{segment.path} is not archived yet")

    def _let_go(self, task: Split | Delete | threading.Event) -> None:
        if isinstance(task, Split):
            task.segment.close()

    def _patiently(self, work: Callable[[], None], what: str) -> None:
        """Do it, again and again until it succeeds or the program ends."""
        if self._stop.is_set():
            raise _Stopped
        Retrying(
            retry=retry_if_exception_type((BucketUnavailable, OSError)),
            wait=wait_random_exponential(multiplier=0.5, max=30),
            sleep=sleep_using_event(self._stop),
            stop=stop_when_event_set(self._stop),
            before_sleep=partial(_report, what),
            retry_error_callback=_stopped,
        )(work)

    def _split(self, segment: Segment) -> None:
        keys: list[tuple[str, str]] = []
        for track in self._index.of_segment(segment):
            if self._stop.is_set():
                raise _Stopped
            size = sum(frame.length for frame in track.frames())
            key = self._archive.store(track.execution, segment.head.name, _sound_runs(segment, track), size)
            if key is not None:
                keys.append((track.execution, key))
        self._archive.publish(keys)
        self._index.forget(segment)
        segment.delete()


def _sound_runs(segment: Segment, track: Track) -> Iterator[Run]:
    """The records of a track; those that cannot be read any more are named, left out, and the file kept."""
    for frame in track.frames():
        try:
            yield Run(frame.attempt, frame.first, frame.count, segment.payload(frame))
        except Damaged as damage:
            segment.damaged = True
            _log.error(
                "%s; of %s records %d.%d and %d more",
                damage,
                track.execution,
                frame.attempt,
                frame.first,
                frame.count - 1,
            )


def _report(what: str, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _log.warning("%s: %s; it is tried again", what, error)


def _stopped(_: RetryCallState) -> None:
    raise _Stopped
