"""Whether the agent lives and is connected, for whoever restarts programs: two answers by HTTP.

Run by the assembly where a port was asked for. It listens for nothing else and tells nothing but these two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

_LONGEST: Final = 8192
_PATIENCE: Final = 5.0


@asynccontextmanager
async def health(port: int, ready: Callable[[], bool], host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve ``/healthz`` (always 200) and ``/readyz`` (200 while ``ready``, else 503); the port. OSError."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, ready()))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, host, port, limit=_LONGEST)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _answer(head: bytes, ready: bool) -> bytes:
    match head.split(b" ", 2)[:2]:
        case [b"GET", b"/healthz"]:
            status, words = "200 OK", "alive\n"
        case [b"GET", b"/readyz"]:
            status, words = ("200 OK", "connected\n") if ready else ("503 Service Unavailable", "not connected\n")
        case _:
            status, words = "404 Not Found", "only /healthz and /readyz\n"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(words)}\r\nConnection: close\r\n\r\n{words}".encode()
