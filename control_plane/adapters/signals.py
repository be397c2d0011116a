"""Wakes waiters within one process. The production adapter of the Signals port while there is one control plane.

Called by the assembly, which hands it to the services. Lives on one event loop: publish and wait are called from it
alone. Knows nothing of what the topics mean. Suite: tests/contracts/signals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Hear = Callable[[str], None]


class LocalSubscription:
    """One waiter's bell. Rung by LocalSignals."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()

    def ring(self, _: str = "") -> None:
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
        self._hearers: dict[str, tuple[Hear, ...]] = {}

    def publish(self, *topics: str) -> None:
        """Wake who subscribed to any of these, tell who listens. Never blocks, never fails."""
        for topic in topics:
            for hear in self._hearers.get(topic, ()):
                hear(topic)
            for hear in self._hearers.get(topic.partition("/")[0] + "/", ()):
                hear(topic)

    @contextmanager
    def subscribe(self, *topics: str) -> Iterator[LocalSubscription]:
        """Hear these topics while the context is open."""
        subscription = LocalSubscription()
        with self.listen(subscription.ring, *topics):
            yield subscription

    @contextmanager
    def listen(self, hear: Hear, *topics: str) -> Iterator[None]:
        """Call ``hear`` with each of these topics that is published while the context is open."""
        for topic in topics:
            self._hearers[topic] = (*self._hearers.get(topic, ()), hear)
        try:
            yield
        finally:
            for topic in topics:
                self._leave(topic, hear)

    def _leave(self, topic: str, hear: Hear) -> None:
        rest = list(self._hearers[topic])
        rest.remove(hear)
        if rest:
            self._hearers[topic] = tuple(rest)
        else:
            del self._hearers[topic]
