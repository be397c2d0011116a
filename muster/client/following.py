"""Following what a run or an execution prints: one stream of pieces that survives broken connections and restarts of
the control plane, without a line lost or doubled.

Used by muster.client.client. The stream is opened again behind the last piece that was heard of each execution.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic import ValidationError

from muster.client.connection import Connection, Params
from muster.client.errors import BROKEN, ClientError
from muster.client.events import EventReader, TooLarge
from muster.client.persistence import persistent
from workflow.views import LogView

END = "end"
"""The event that says that nothing more will be printed: a stream that ends without it was cut."""


async def followed(
    connection: Connection, path: str, params: Params, *, since: str | None, patience: float
) -> AsyncGenerator[LogView]:
    """Pieces until the end of what is followed. Unreachable at once where nobody is there, and after ``patience``
    seconds of absence later."""
    await connection.call("GET", "/healthz")
    heard = _Heard(since)

    def once() -> AsyncGenerator[LogView | None]:
        return _once(connection, path, {**params, "follow": True, "since": heard.since()})

    async with aclosing(persistent(once, lambda piece: piece is None, patience)) as pieces:
        async for piece in pieces:
            if piece is not None:
                heard.note(piece)
                yield piece


class _Heard:
    """How far each execution was heard. ``start``: the position that the caller gave, of a single execution."""

    def __init__(self, start: str | None) -> None:
        self._start = start
        self._positions: dict[str, str] = {}

    def note(self, piece: LogView) -> None:
        self._positions[piece.execution] = piece.position

    def since(self) -> str | None:
        """Where to go on: for each execution its place. The caller's own words before anything was heard."""
        return ",".join(f"{execution}@{place}" for execution, place in self._positions.items()) or self._start


async def _once(connection: Connection, path: str, params: Params) -> AsyncGenerator[LogView | None]:
    """One connection's pieces; None is the end."""
    reader = EventReader()
    async with connection.open("GET", path, params=params, accept="text/event-stream", endless=True) as answer:
        async for data in answer.aiter_bytes():
            try:
                for event in reader.feed(data):
                    yield None if event.name == END else LogView.model_validate_json(event.data)
            except (TooLarge, ValidationError) as error:
                raise ClientError(
                    "the control plane sent what this version does not understand", "upgrade muster", BROKEN
                ) from error
