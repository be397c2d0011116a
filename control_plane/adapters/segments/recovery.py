"""What is done with the segments that lie there when the program starts. Called by the log when it opens.

Torn tails are cut off (nobody was told that they are stored); all that is sound is made durable before anything is
answered, since a process that was killed may have left it in the page cache. Damage is an error, unless the operator
has asked to go on without what is lost.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from control_plane.adapters.segments.frames import SEGMENT, Frame, Kind, SegmentHead, read_segment_head
from control_plane.adapters.segments.index import Index
from control_plane.adapters.segments.scan import Scan, scan
from control_plane.adapters.segments.segment import Segment
from control_plane.ports.opening import Unusable

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """The sealed segments, oldest first; executions whose removal must be repeated; the numbers that come next."""

    segments: list[Segment] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    next_segment: int = 1
    next_batch: int = 1


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    head: SegmentHead
    scan: Scan


def lock(directory: Path) -> int:
    """Make the directory ours; the handle holds the lock until it is closed. Unusable where another process has it.
    OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(directory / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise Unusable(f"another process uses the journal {directory}: stop it, or name another directory") from None
    return handle


def recover(directory: Path, index: Index, *, salvage: bool) -> Recovered:
    """Fill the index from the segments. Unusable where something durable cannot be read and ``salvage`` is false.
    OSError."""
    found, headless, damage = _scanned(directory)
    damage += _gaps(found)
    if damage and not salvage:
        raise Unusable(
            f"the journal is damaged: {'; '.join(damage)}. Restore the directory from a backup, or start once with "
            "salvage to go on without what cannot be read (the damaged files are kept beside the others as *.damaged)"
        )
    for path in headless:
        path.rename(path.with_suffix(".damaged"))
    for sentence in damage:
        _log.error("going on without what is lost: %s", sentence)
    return _adopted(directory, found, index)


def _scanned(directory: Path) -> tuple[list[_Found], list[Path], list[str]]:
    """Every segment that has a header, those that should have one, and what is wrong."""
    found: list[_Found] = []
    headless: list[Path] = []
    damage: list[str] = []
    for path in sorted(directory.glob("*.wal")):
        data = path.read_bytes()
        head = read_segment_head(data)
        if head is not None:
            result = scan(data, head)
            damage += [f"{path} at byte {d.offset}, {d.length} bytes: {d.what}" for d in result.damage]
            found.append(_Found(path, head, result))
        elif len(data) <= SEGMENT.size:
            path.unlink()  # being made when the program ended: a header is durable before anything stands behind it
        else:
            headless.append(path)
            damage.append(f"{path} has no readable header")
    return found, headless, damage


def _gaps(found: Sequence[_Found]) -> list[str]:
    """Batches that are missing between two segments."""
    return [
        f"batches {one.scan.next_batch} to {other.head.first_batch - 1} are missing between {one.path} and {other.path}"
        for one, other in pairwise(found)
        if one.scan.next_batch < other.head.first_batch
    ]


def _adopted(directory: Path, found: Sequence[_Found], index: Index) -> Recovered:
    recovered = Recovered()
    for number, one in enumerate(found):
        # A batch whose fsync failed was written again to the next segment: what counts is there.
        until = found[number + 1].head.first_batch if number + 1 < len(found) else one.scan.next_batch
        frames = [frame for batch, frame in one.scan.frames if batch < until]
        recovered.next_segment = one.head.number + 1
        recovered.next_batch = until
        if not frames:
            one.path.unlink()
            continue
        segment = Segment.adopt(one.path, one.head, one.scan.end)
        segment.damaged = bool(one.scan.damage)
        recovered.segments.append(segment)
        recovered.removed += _indexed(segment, frames, index)
    return recovered


def _indexed(segment: Segment, frames: Sequence[Frame], index: Index) -> list[str]:
    removed: list[str] = []
    for frame in frames:
        if frame.kind is Kind.REMOVED:
            index.drop(frame.execution)
            removed.append(frame.execution)
        else:
            index.add(segment, [frame])
    return removed
