"""Watching a run: one stream of events that survives broken connections, without a line lost or doubled.

Used by muster.client.client. The server says with each event where to go on (Last-Event-ID); positions are also kept
per execution here, so that a server that starts over repeats nothing to our caller.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from muster.client.connection import Connection
from muster.client.errors import BROKEN, ClientError
from muster.client.events import EventReader, TooLarge
from muster.client.persistence import persistent
from workflow.views import LogPrinted, RunEnded, WatchEvent

_EVENTS: Final[TypeAdapter[WatchEvent]] = TypeAdapter(Annotated[WatchEvent, Field(discriminator="event")])


async def watched(connection: Connection, run: str, *, logs: bool, patience: float) -> AsyncGenerator[WatchEvent]:
    """Events until RunEnded.

    A broken connection is tried again with back-off; Unreachable after ``patience`` seconds without one."""
    seen = Seen()
    once = partial(_once, connection, run, logs, seen)
    async with aclosing(persistent(once, lambda event: isinstance(event, RunEnded), patience)) as events:
        async for event in events:
            if seen.fresh(event):
                yield event


class Seen:
    """How far the caller has heard."""

    def __init__(self) -> None:
        self.last_id = ""
        self._positions: dict[str, tuple[int, int]] = {}

    def fresh(self, event: WatchEvent) -> bool:
        """Whether the event is news; remembers it."""
        if not isinstance(event, LogPrinted):
            return True
        place = _place(event.log.position)
        if place <= self._positions.get(event.log.execution, (0, 0)):
            return False
        self._positions[event.log.execution] = place
        return True


def _place(position: str) -> tuple[int, int]:
    attempt, _, seq = position.partition("~")[0].partition(".")
    return int(attempt), int(seq)


async def _once(connection: Connection, run: str, logs: bool, seen: Seen) -> AsyncGenerator[WatchEvent]:
    reader = EventReader()
    headers = {"Last-Event-ID": seen.last_id} if seen.last_id else {}
    async with connection.open(
        "GET",
        f"/v1/runs/{run}/watch",
        params={"logs": int(logs)},
        accept="text/event-stream",
        headers=headers,
        endless=True,
    ) as answer:
        async for data in answer.aiter_bytes():
            try:
                for event in reader.feed(data):
                    seen.last_id = event.id or seen.last_id
                    yield _EVENTS.validate_json(event.data)
            except (TooLarge, ValueError) as error:
                raise ClientError(
                    "the control plane sent what this version does not understand", "upgrade muster", BROKEN
                ) from error
