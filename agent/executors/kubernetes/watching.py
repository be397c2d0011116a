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
from agent.executors.kubernetes.naming import ATTEMPT, EXECUTION, attempt_of, selector
from agent.executors.kubernetes.settings import Settings
from workflow.identifiers import Attempt

log = logging.getLogger("muster.kubernetes")

_SHORTEST, _LONGEST = 0.5, 15.0
"""Seconds between a watch that ended and the next list."""
_SOUND = 5.0
"""Seconds that a watch must have lasted to be followed soon by another."""
_REMEMBERED = 500
_LOOKED_AT = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "resourceVersion",
)
_PAGE = "500"


class Pods:
    """The agent's pods, as last seen."""

    def __init__(self) -> None:
        self.now: dict[Attempt, Object] = {}
        self.last: OrderedDict[Attempt, Object] = OrderedDict()
        """The last that was seen of pods that are gone."""
        self._changed: dict[Attempt, asyncio.Event] = {}

    def put(self, attempt: Attempt, pod: Object) -> None:
        """It is so, unless something newer is known."""
        if _older(pod, self.now.get(attempt, {})):
            return
        self.now[attempt] = kept(pod)
        self._signal(attempt)

    def drop(self, attempt: Attempt, pod: Object | None = None) -> None:
        """It is gone."""
        before = self.now.pop(attempt, None)
        if pod is not None or before is not None:
            self.last[attempt] = before or {} if pod is None else kept(pod)
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

    def __init__(self, calls: Calls, namespace: str, settings: Settings, pods: Pods) -> None:
        self._calls = calls
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._namespace = namespace
        self._selector = selector(settings.agent)
        self._patience = settings.patience
        self._pods = pods
        self.listed = asyncio.Event()
        """Set once everything was seen."""

    async def run(self) -> None:
        """For ever."""
        pause, now = _SHORTEST, asyncio.get_running_loop().time
        while True:
            began, wish = now(), 0.0
            try:
                await self._watch(await self.list())
            except ApiRefused as refused:
                wish = refused.after
                if refused.status != 410:
                    log.warning("pods cannot be watched: %s", refused.words)
            except ApiDown as down:
                log.info("the watch of pods broke: %s", down)
            if now() - began > _SOUND:
                pause = _SHORTEST
            await asyncio.sleep(max(pause * random.uniform(0.5, 1.0), wish))  # noqa: S311 - spreads many agents
            pause = min(pause * 2, _LONGEST)

    async def list(self) -> str:
        """See everything; from where to watch on."""
        query = {"labelSelector": self._selector, "limit": _PAGE}
        before, seen = set(self._pods.now), set[Attempt]()  # what is launched while the list is made is not in it
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
        for attempt in before - seen:
            pod = self._pods.now.get(attempt)
            if pod is not None and (pod.get("metadata") or {}).get("namespace") == self._namespace:
                self._pods.drop(attempt)
        self.listed.set()
        return str(metadata.get("resourceVersion", ""))

    async def _watch(self, version: str) -> None:
        """Hear what changes, until it ends or is to be listed again."""
        query = {
            "labelSelector": self._selector,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(self._patience.relist) + 1),
        }
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(self._patience.relist),
                self._calls.watch(self._path, query, self._patience.silence) as events,
            ):
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


def kept(pod: Object) -> Object:
    """What is looked at of a pod; the rest is three quarters of what the API server tells of it."""
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    notes = metadata.get("annotations") or {}
    volumes = [volume for volume in spec.get("volumes") or () if "persistentVolumeClaim" in volume]
    return {
        "metadata": {
            **{name: metadata[name] for name in _LOOKED_AT if name in metadata},
            "annotations": {name: notes[name] for name in (EXECUTION, ATTEMPT) if name in notes},
        },
        "spec": {"volumes": volumes},
        "status": pod.get("status") or {},
    }


def _older(pod: Object, known: Object) -> bool:
    """Whether this is an earlier state of what is known: answers and events overtake each other."""
    one, other = pod.get("metadata") or {}, known.get("metadata") or {}
    versions = str(one.get("resourceVersion", "")), str(other.get("resourceVersion", ""))
    same = one.get("uid") is not None and one.get("uid") == other.get("uid")
    return same and all(each.isdecimal() for each in versions) and int(versions[0]) < int(versions[1])
