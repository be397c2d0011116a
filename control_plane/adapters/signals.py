"""Wakes waiters within one process. The production adapter of the Signals port while there is one control plane.

Called by the assembly, which hands it to the services. Lives on one event loop: publish and wait are called from it
alone. Knows nothing of what the topics mean. Suite: tests/contracts/signals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class LocalSubscription:
    """One waiter's bell. Rung by LocalSignals."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """A topic was published."""
        self._bell.set()

    async def wait(self, timeout: float | None = None) -> bool:
        """True where a signal came since the last wait returned; False after ``timeout`` seconds."""
        if not self._bell.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._bell.wait()
            except TimeoutError:
                pass  # the bell itself says below whether a signal came in the last moment
        rang = self._bell.is_set()
        self._bell.clear()
        return rang


class LocalSignals:
    """The Signals port within one process."""

    def __init__(self) -> None:
        self._subscribers: dict[str, set[LocalSubscription]] = {}

    def publish(self, *topics: str) -> None:
        """Wake who subscribed to any of these. Never blocks, never fails."""
        for topic in topics:
            for subscription in self._subscribers.get(topic, ()):
                subscription.ring()

    @contextmanager
    def subscribe(self, *topics: str) -> Iterator[LocalSubscription]:
        """Hear these topics while the context is open."""
        subscription = LocalSubscription()
        for topic in topics:
            self._subscribers.setdefault(topic, set()).add(subscription)
        try:
            yield subscription
        finally:
            for topic in topics:
                self._unsubscribe(topic, subscription)

    def _unsubscribe(self, topic: str, subscription: LocalSubscription) -> None:
        subscribers = self._subscribers.get(topic, set())
        subscribers.discard(subscription)
        if not subscribers:
            self._subscribers.pop(topic, None)
