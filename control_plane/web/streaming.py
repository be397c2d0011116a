"""Answers that go on: server-sent events and lines of JSON, with heartbeats, closed in the task that opened them.

Used by the endpoints that follow something. Knows nothing of what is followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from fastapi.responses import StreamingResponse
from starlette.types import Send

from control_plane.services.merging import Merge
from control_plane.services.watching import Heard
from workflow.views import LogView, View

HEARTBEAT: Final = 15.0
"""Seconds of silence after which something is said, so that nobody between takes the connection for dead."""


class Streaming(StreamingResponse):
    """As the base; the source is closed at once when the reader goes away."""

    async def stream_response(self, send: Send) -> None:
        """Send what the source yields."""
        source = self.body_iterator
        if isinstance(source, AsyncGenerator):
            async with aclosing(source):
                await super().stream_response(send)
        else:
            await super().stream_response(send)


def server_sent(source: AsyncGenerator[bytes]) -> Streaming:
    """A stream of events, each encoded by ``sse``."""
    return Streaming(
        with_heartbeats(source, b": still here\n\n"),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


def json_lines(source: AsyncGenerator[bytes]) -> Streaming:
    """A stream of JSON values, one a line; an empty line is a heartbeat."""
    return Streaming(with_heartbeats(source, b"\n"), media_type="application/x-ndjson")


async def with_heartbeats(source: AsyncGenerator[bytes], beat: bytes) -> AsyncGenerator[bytes]:
    """What the source yields, and ``beat`` from time to time, until the source ends."""
    async with Merge[bytes | None]() as merge:
        merge.add(_until_end(source))
        merge.add(_beats(beat))
        async with aclosing(merge.items()) as items:
            async for item in items:
                if item is None:
                    return
                yield item


async def _until_end(source: AsyncGenerator[bytes]) -> AsyncGenerator[bytes | None]:
    async with aclosing(source):
        async for item in source:
            yield item
    yield None


async def _beats(beat: bytes) -> AsyncGenerator[bytes | None]:
    while True:
        await asyncio.sleep(HEARTBEAT)
        yield beat


def sse(name: str, data: bytes, identity: str | None = None) -> bytes:
    """One event. ``data`` holds no line break."""
    head = f"id: {identity}\n" if identity is not None else ""
    return b"%bevent: %b\ndata: %b\n\n" % (head.encode(), name.encode(), data)


async def heard_events(source: AsyncGenerator[Heard]) -> AsyncGenerator[bytes]:
    """A watched run as events; the last one of each group says where to go on."""
    async with aclosing(source):
        async for heard in source:
            last = len(heard.events) - 1
            yield b"".join(
                sse(event.event, dumped(event), heard.token if number == last else None)
                for number, event in enumerate(heard.events)
            )


async def log_events(source: AsyncGenerator[Sequence[LogView]]) -> AsyncGenerator[bytes]:
    """Output as events named ``log``, and ``end``."""
    async with aclosing(source):
        async for views in source:
            yield b"".join(sse("log", dumped(view), view.position) for view in views)
    yield sse("end", b"{}")


async def log_lines(source: AsyncGenerator[Sequence[LogView]]) -> AsyncGenerator[bytes]:
    """Output as JSON lines."""
    async with aclosing(source):
        async for views in source:
            yield b"".join(dumped(view) + b"\n" for view in views)


def dumped(view: View) -> bytes:
    """A value as JSON on one line."""
    return view.model_dump_json().encode()
