"""What the cluster says of a pod: its events, in the cluster's own words, few and short.

Used by the executor where a pod is late, hurt or gone; a pod that does well is never asked for. They are notes for
people and prove nothing: what became of a pod is told by its status alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from agent.executors.kubernetes.calls import ApiDown, ApiRefused, Calls, Object
from agent.executors.kubernetes.naming import pod_name
from agent.executors.kubernetes.settings import Settings
from agent.executors.kubernetes.watching import Pods
from agent.ports.executor import Ear
from workflow.identifiers import Attempt
from workflow.session import MAX_NOTE, MOST_NOTES

_TELLING: Final = frozenset(
    {
        *("Scheduled", "Pulling", "Pulled", "Killing", "Preempted", "Evicted", "TaintManagerEviction"),
        *("TriggeredScaleUp", "NotTriggerScaleUp", "SuccessfulAttachVolume", "WaitForFirstConsumer", "Provisioning"),
        *("DeadlineExceeded", "NodeShutdown"),
    }
)
"""Reasons of normal events that say something of a pod in trouble; warnings all do."""
_ENDING: Final = frozenset({"Evicted", "Preempted", "TaintManagerEviction", "DeadlineExceeded", "NodeShutdown"})
"""Reasons of events that say why a pod is told to end."""
_WARNING: Final = "Warning "
_MOST_READ: Final = "200"
_WITHIN = 5.0
"""Seconds for which a verdict waits for its notes."""
_REST = 10.0
"""Seconds between two questions about the same pod that is still on its way."""


class Notes:
    """Asks, and tells an ear what is new."""

    def __init__(self, calls: Calls, settings: Settings, pods: Pods) -> None:
        self._calls = calls
        self._settings = settings
        self._pods = pods
        self._asked: dict[Attempt, float] = {}
        self._told: dict[Attempt, tuple[str, ...]] = {}
        self.ear: Ear | None = None

    async def warning(self, attempt: Attempt) -> str:
        """Ask, tell, and return the newest warning, or nothing."""
        await self.tell(attempt)
        warnings = [note for note in self._told.get(attempt, ()) if note.startswith(_WARNING)]
        return warnings[-1].removeprefix(_WARNING) if warnings else ""

    async def ending(self, attempt: Attempt) -> str:
        """Ask, tell, and return what is said of why the pod is to end, or nothing."""
        await self.tell(attempt)
        notes = [note.removeprefix(_WARNING) for note in self._told.get(attempt, ())]
        return next((note for note in reversed(notes) if note.partition(":")[0] in _ENDING), "")

    async def tell(self, attempt: Attempt, *, again: bool = False) -> None:
        """Ask, and tell what was not told yet. Never fails; ``again``: not if it was asked for a moment ago."""
        now = asyncio.get_running_loop().time()
        if again and now - self._asked.get(attempt, -_REST) < _REST:
            return
        self._asked[attempt] = now
        notes: tuple[str, ...] = ()
        with suppress(ApiDown, ApiRefused, TimeoutError):
            async with asyncio.timeout(_WITHIN):
                notes = await self._events(attempt)
        if notes and notes != self._told.get(attempt):
            self._told[attempt] = notes
            if self.ear is not None:
                await self.ear(attempt, notes)

    def forget(self, attempt: Attempt) -> None:
        """It is over."""
        self._asked.pop(attempt, None)
        self._told.pop(attempt, None)

    async def _events(self, attempt: Attempt) -> tuple[str, ...]:
        pod = self._pods.now.get(attempt) or self._pods.last.get(attempt) or {}
        namespace = (pod.get("metadata") or {}).get("namespace")
        query = {"fieldSelector": f"involvedObject.kind=Pod,involvedObject.name={pod_name(attempt)}"}
        for each in (namespace,) if namespace else self._settings.everywhere:
            listed = await self._calls.get(f"/api/v1/namespaces/{each}/events", {**query, "limit": _MOST_READ}) or {}
            if found := told(listed.get("items") or ()):
                return found
        return ()


def told(events: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Events as sentences, oldest first: of too many the newest, warnings before the rest. Pure."""
    telling = [each for each in events if each.get("type") == "Warning" or each.get("reason") in _TELLING]
    telling.sort(key=_moment)
    telling.sort(key=lambda event: event.get("type") == "Warning")
    return tuple(_said(event) for event in sorted(telling[-MOST_NOTES:], key=_moment))


def _said(event: Mapping[str, Any]) -> str:
    warning = _WARNING if event.get("type") == "Warning" else ""
    times = (event.get("series") or {}).get("count") or event.get("count") or 1
    often = f" ({times} times)" if times != 1 else ""
    sentence = f"{warning}{event.get('reason')}{often}: {str(event.get('message') or '').strip()}"
    return sentence if len(sentence) <= MAX_NOTE else f"{sentence[: MAX_NOTE - 1]}…"


def _moment(event: Mapping[str, Any]) -> str:
    """When it was last seen, as text that sorts."""
    series: Object = event.get("series") or {}
    moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(moment) for moment in moments if moment), "")
