"""One watch for all pods of the agent, in each namespace: what they are now, and a signal when one changes.

Run by the executor. Whatever happens to a watch (dropped, silent, too old, refused) it ends in a new list within a
bounded time, so that nothing waits for an event that never comes. Clocks are ours alone: of the cluster's time only
differences to its own are used.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agent.executors.kubernetes.calls import ApiDown, ApiRefused, Calls, Object
from agent.executors.kubernetes.naming import attempt_of, selector
from workflow.identifiers import Attempt

log = logging.getLogger("muster.kubernetes")

RELIST = 240
"""Seconds that one watch lasts at the most; then comes a list."""
SILENCE = 90.0
"""Seconds without a word, bookmarks included, after which a watch is given up."""
_SHORTEST, _LONGEST = 0.5, 15.0
_REMEMBERED = 2000
_PAGE = "500"


class Pods:
    """The agent's pods, as last seen."""

    def __init__(self) -> None:
        self.now: dict[Attempt, Object] = {}
        self.last: OrderedDict[Attempt, Object] = OrderedDict()
        """The last that was seen of pods that are gone."""
        self._changed: dict[Attempt, asyncio.Event] = {}

    def put(self, attempt: Attempt, pod: Object) -> None:
        """It is so."""
        self.now[attempt] = pod
        self._signal(attempt)

    def drop(self, attempt: Attempt, pod: Object | None = None) -> None:
        """It is gone."""
        before = self.now.pop(attempt, None)
        if pod is not None or before is not None:
            self.last[attempt] = before or {} if pod is None else pod
            while len(self.last) > _REMEMBERED:
                self.last.popitem(last=False)
        self._signal(attempt)

    async def changed(self, attempt: Attempt, patience: float) -> None:
        """Wait until something of it changes, at most ``patience`` seconds."""
        event = self._changed.setdefault(attempt, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await event.wait()

    def _signal(self, attempt: Attempt) -> None:
        if event := self._changed.pop(attempt, None):
            event.set()


class Watching:
    """The watch of one namespace."""

    def __init__(self, calls: Calls, namespace: str, agent: str, pods: Pods) -> None:
        self._calls = calls
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._namespace = namespace
        self._selector = selector(agent)
        self._pods = pods
        self.listed = asyncio.Event()
        """Set once everything was seen."""

    async def run(self) -> None:
        """For ever."""
        pause = _SHORTEST
        while True:
            try:
                version = await self.list()
                pause = _SHORTEST
                await self._watch(version)
            except ApiRefused as refused:
                if refused.status != 410:
                    log.warning("pods cannot be watched: %s", refused.words)
            except ApiDown as down:
                log.info("the watch of pods broke: %s", down)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads many agents
            pause = min(pause * 2, _LONGEST)

    async def list(self) -> str:
        """See everything; from where to watch on."""
        query = {"labelSelector": self._selector, "limit": _PAGE}
        seen: set[Attempt] = set()
        while True:
            found = await self._calls.get(self._path, query) or {}
            for pod in found.get("items") or ():
                if attempt := attempt_of((pod.get("metadata") or {}).get("annotations")):
                    seen.add(attempt)
                    self._pods.put(attempt, pod)
            metadata: Mapping[str, Any] = found.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"] = str(metadata["continue"])
        for attempt, pod in list(self._pods.now.items()):
            if attempt not in seen and (pod.get("metadata") or {}).get("namespace") == self._namespace:
                self._pods.drop(attempt)
        self.listed.set()
        return str(metadata.get("resourceVersion", ""))

    async def _watch(self, version: str) -> None:
        query = {
            "labelSelector": self._selector,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(RELIST),
        }
        async with self._calls.watch(self._path, query, SILENCE) as events:
            async for event in events:
                self._seen(str(event.get("type")), event.get("object") or {})

    def _seen(self, kind: str, pod: Object) -> None:
        if kind == "ERROR":
            raise ApiRefused(int(pod.get("code", 500)), str(pod.get("reason", "")), str(pod.get("message", "")))
        attempt = attempt_of((pod.get("metadata") or {}).get("annotations"))
        if attempt is None:
            return
        if kind == "DELETED":
            self._pods.drop(attempt, pod)
        elif kind in {"ADDED", "MODIFIED"}:
            self._pods.put(attempt, pod)
