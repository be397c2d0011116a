"""Journal records that were read and are not durable yet. Called by control_plane.rpc.journals: one task puts,
another takes.

While one append waits for the disk the next records are read and decoded, so that the wire and the disk work at the
same time. At most ``limit`` bytes are held; who puts more waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from workflow.journal import Record
from workflow.session import MAX_AHEAD, MAX_MESSAGE


class Intake:
    """A bounded queue of batches, by bytes."""

    def __init__(self, limit: int = MAX_AHEAD) -> None:
        self._limit = limit
        self._batches: deque[tuple[Sequence[Record], int]] = deque()
        self._held = 0  # bytes, with those that are being appended
        self._taken = 0  # of these
        self._ended = False
        self._changed = asyncio.Condition()

    async def put(self, records: Sequence[Record], size: int) -> None:
        """Add a batch of about ``size`` bytes; waits while ``limit`` would be exceeded, unless nothing else is held."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._held == 0 or self._held + size <= self._limit)
            self._batches.append((records, size))
            self._held += size
            self._changed.notify_all()

    async def end(self) -> None:
        """Nothing more will be put."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def take(self) -> list[Record]:
        """The next records, about MAX_MESSAGE bytes if so many wait; what was taken before is durable now. Empty at
        the end."""
        async with self._changed:
            self._held -= self._taken
            self._taken = 0
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._batches or self._ended)
            found: list[Record] = []
            while self._batches and (not found or self._taken + self._batches[0][1] <= MAX_MESSAGE):
                records, size = self._batches.popleft()
                found.extend(records)
                self._taken += size
            return found
