"""What the API server keeps: objects by path, versions, and everybody who watches."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error, as a Status object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def status(self) -> Object:
        """As JSON."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
        }


@dataclass(eq=False)
class Watcher:
    """One open watch."""

    collection: str
    selector: str
    events: asyncio.Queue[Object | None] = field(default_factory=asyncio.Queue)

    def hear(self, collection: str, event: Object) -> None:
        """Of a change; told if it concerns this watch."""
        if self.collection == collection and matches(event["object"], self.selector):
            self.events.put_nowait(event)


class Objects:
    """The store."""

    def __init__(self) -> None:
        self._version = 100
        self._held: dict[str, Object] = {}  # "<collection>/<name>" -> object
        self._history: deque[tuple[int, str, Object]] = deque(maxlen=1000)  # version, collection, event
        self.watchers: list[Watcher] = []
        self.admission: list[Callable[[str, Object], None]] = []
        """Asked before anything is created; raise Refusal."""
        self.ahead = 0.0
        """Seconds by which the cluster's clock is ahead of ours."""
        self.mute = False
        """Whether watches are told nothing."""

    @property
    def version(self) -> str:
        """Of the newest change."""
        return str(self._version)

    def create(self, collection: str, body: Object) -> Object:
        """Keep a new object."""
        made = copy.deepcopy(body)
        name = made["metadata"]["name"]
        for ask in self.admission:
            ask(collection, made)
        if f"{collection}/{name}" in self._held:
            raise Refusal(409, "AlreadyExists", f'{collection.rpartition("/")[2]} "{name}" already exists')
        moment = (datetime.now(UTC) + timedelta(seconds=self.ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")
        namespace = collection.partition("/namespaces/")[2].partition("/")[0]
        made["metadata"] |= {"creationTimestamp": moment, "namespace": namespace, "uid": f"uid-{self._version}"}
        self._held[f"{collection}/{name}"] = made
        self._changed("ADDED", collection, made)
        return made

    def get(self, path: str) -> Object:
        """One object."""
        try:
            return self._held[path]
        except KeyError:
            collection, _, name = path.rpartition("/")
            raise Refusal(404, "NotFound", f'{collection.rpartition("/")[2]} "{name}" not found') from None

    def list(self, collection: str, selector: str) -> list[Object]:
        """Those that the label selector names."""
        return [
            each
            for path, each in self._held.items()
            if path.rpartition("/")[0] == collection and matches(each, selector)
        ]

    def update(self, collection: str, name: str, change: Callable[[Object], None]) -> None:
        """Change an object, if it is there."""
        if (held := self._held.get(f"{collection}/{name}")) is not None:
            change(held)
            self._changed("MODIFIED", collection, held)

    def merge(self, collection: str, name: str, change: Object) -> Object:
        """Change what ``change`` says of an object; None takes away."""
        held = self.get(f"{collection}/{name}")
        _merged(held, change)
        self._changed("MODIFIED", collection, held)
        return held

    def remove(self, collection: str, name: str) -> None:
        """Take an object away, if it is there."""
        if (held := self._held.pop(f"{collection}/{name}", None)) is not None:
            self._changed("DELETED", collection, held)

    def watch(self, watcher: Watcher, version: int) -> None:
        """Tell it everything after ``version``, what was before now first."""
        for moment, collection, event in self._history:
            if moment > version:
                watcher.hear(collection, event)
        self.watchers.append(watcher)

    def end_watches(self, last: Object | None = None) -> None:
        """End every watch, after one more event."""
        for watcher in self.watchers:
            if last is not None:
                watcher.events.put_nowait(last)
            watcher.events.put_nowait(None)

    def _changed(self, kind: str, collection: str, held: Object) -> None:
        self._version += 1
        held["metadata"]["resourceVersion"] = self.version
        event = {"type": kind, "object": copy.deepcopy(held)}
        self._history.append((self._version, collection, event))
        for watcher in self.watchers:
            if not self.mute:
                watcher.hear(collection, event)


def _merged(held: Object, change: Object) -> None:
    for key, value in change.items():
        if value is None:
            held.pop(key, None)
        elif isinstance(value, dict) and isinstance(held.get(key), dict):
            _merged(held[key], value)
        else:
            held[key] = value


def matches(held: Mapping[str, Any], selector: str) -> bool:
    """Whether the labels are those."""
    labels = held["metadata"].get("labels") or {}
    for part in filter(None, selector.split(",")):
        name, wanted, value = part.partition("=")
        if name not in labels or (wanted and labels[name] != value):
            return False
    return True
