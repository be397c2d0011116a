"""Who must be woken when something was committed. Called by the services; adapters: control_plane.adapters.memory
(one process), later PostgreSQL LISTEN/NOTIFY. Signals carry no facts: a woken reader reads the store. A lost signal
may delay, so every waiter re-checks after a bounded time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Subscription(Protocol):
    """Wakes its one waiter."""

    async def wait(self, timeout: float | None = None) -> bool:
        """True where a signal came since the last wait returned (several count as one); False after ``timeout``
        seconds.
        """
        ...


class Signals(Protocol):
    """The port. Topics: ``queue`` (something may be placed), ``execution/<id>`` (state, steps, journal),
    ``run/<id>``, ``agent/<name>``, ``catalog`` (documents were applied or deleted),
    ``trust/<name>`` (certificates of this agent that were in force no longer are).
    """

    def publish(self, *topics: str) -> None:
        """Wake who subscribed to any of these. Never blocks, never fails."""
        ...

    def subscribe(self, *topics: str) -> AbstractContextManager[Subscription]:
        """Hear these topics while the context is open."""
        ...

    def listen(self, hear: Callable[[str], None], *topics: str) -> AbstractContextManager[None]:
        """Call ``hear`` with each of these topics that is published while the context is open: once for each signal,
        in the publisher's turn, so it must neither wait nor fail. For who follows very many: a topic that ends with
        ``/`` means all below it.
        """
        ...
