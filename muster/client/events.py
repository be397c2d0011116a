"""Server-sent events, read from bytes that are cut anywhere. Pure; used by muster.client.watching."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_EVENT: Final = 8 * 1024 * 1024
"""Bytes of one event at the most."""


class TooLarge(ValueError):
    """An event exceeds MAX_EVENT."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``id`` is the last one that the stream named."""

    name: str
    data: str
    id: str


class EventReader:
    """Feed bytes, get events. Comments and unknown fields are skipped, as the specification says."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._id = ""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are complete now."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if self._size + len(self._rest) > MAX_EVENT:
            raise TooLarge(f"an event is larger than {MAX_EVENT} bytes")
        for line in lines:
            event = self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _line(self, line: str) -> Event | None:
        if not line:
            event = Event(self._name or "message", "\n".join(self._data), self._id) if self._data else None
            self._name, self._data, self._size = "", [], 0
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
                self._size += len(value)
            case "id" if "\0" not in value:
                self._id = value
        return None
