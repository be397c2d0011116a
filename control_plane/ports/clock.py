"""Time and chance. Called by the services; adapters: control_plane.adapters.system and .memory (for tests)."""

from __future__ import annotations

from typing import Protocol

from workflow.identifiers import Instant


class Clock(Protocol):
    """The port. ``now`` may jump (it is what people see); ``sleep`` follows a monotonic clock."""

    def now(self) -> Instant:
        """Microseconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps: for leases and time-outs."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        ...

    def fresh_id(self) -> str:
        """A new identifier: 20 characters of ``a-z 0-9``, sortable by time of making, unguessable in its tail."""
        ...
