"""Watching a deployment until its pod is there: by events, with a bounded look in between. Called by ``installing``
and ``uninstalling``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from muster.install.cluster import Cluster
from muster.install.problems import BROKEN, FAILED, InstallProblem
from muster.install.progress import Progress, progress

LOOK: Final = 5.0
"""Seconds after which is looked again though nothing was heard."""
_WATCH: Final = 60
_SHORTEST: Final = 0.3
_PAUSE: Final = 1.0

Say = Callable[[str], None]


class Waiting:
    """One agent's deployment, ``title``; its pods have the labels ``selector``."""

    def __init__(self, cluster: Cluster, namespace: str, title: str, selector: str) -> None:
        self._cluster, self._namespace, self._title, self._selector = cluster, namespace, title, selector

    async def there(self, seconds: float, say: Say) -> None:
        """Until the newest pod is ready. ``say`` hears what is waited for when that changes. InstallProblem after
        ``seconds``, or where waiting does not help."""
        last = Progress(False, "the deployment")
        try:
            async with asyncio.timeout(seconds), self._changes() as changed:
                async for _ in changed:
                    found = await self.look()
                    if found.there:
                        return
                    if found.words != last.words:
                        say(f"waiting for {found.words}" if not found.trouble else found.words)
                    last = found
                    if found.hopeless:
                        break
        except TimeoutError:
            pass
        raise InstallProblem(
            f"the agent is not there after {seconds:.0f} s; the cluster says: {last.words}"
            if not last.hopeless
            else f"the agent cannot start: {last.words}",
            f"what is there stays, and install again goes on from it; see also: "
            f"kubectl -n {self._namespace} describe pod -l {self._selector}",
            FAILED,
        )

    async def look(self) -> Progress:
        """How far it is now."""
        deployment = await self._cluster.get("Deployment", self._title, self._namespace)
        pods = await self._cluster.all("Pod", self._namespace, self._selector)
        events: list[dict[str, object]] = []
        if any((pod.get("status") or {}).get("phase") == "Pending" for pod in pods):
            with suppress(InstallProblem):  # who may not read events is told less
                events = await self._cluster.all("Event", self._namespace, fields="type=Warning")
        return progress(deployment, pods, events)

    async def gone(self, left: Callable[[], Awaitable[list[str]]], seconds: float) -> list[str]:
        """Wait until nothing is left of what ``left`` names; what is after ``seconds``."""
        remaining = await left()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changes() as changed:
                async for _ in changed:
                    remaining = await left()
                    if not remaining:
                        break
        return remaining

    @asynccontextmanager
    async def _changes(self) -> AsyncIterator[AsyncIterator[None]]:
        """Once now, and each time that the deployment or its pods changed."""
        event = asyncio.Event()
        event.set()
        query = {"labelSelector": self._selector}
        async with asyncio.TaskGroup() as tasks:
            watches = [tasks.create_task(self._watched(kind, query, event)) for kind in ("Deployment", "Pod")]
            try:
                yield _each(event)
            finally:
                for watch in watches:
                    watch.cancel()

    async def _watched(self, kind: str, query: dict[str, str], event: asyncio.Event) -> None:
        while True:
            try:
                async for _ in self._cluster.watch(kind, self._namespace, query, _WATCH):
                    event.set()
            except InstallProblem as problem:
                if problem.code != BROKEN:  # no right to watch: the looks in between serve
                    return
            await asyncio.sleep(_PAUSE)


async def _each(event: asyncio.Event) -> AsyncIterator[None]:
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await event.wait()
        event.clear()
        yield
        await asyncio.sleep(_SHORTEST)  # many changes come at once
