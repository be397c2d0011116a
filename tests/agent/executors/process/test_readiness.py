"""Readiness probes of processes, against real servers on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.executors.process.readiness import LOOPBACK, ready

NOWHERE = Path("/nowhere/at/all")


@asynccontextmanager
async def serving(answer: bytes, port: int = 0) -> AsyncIterator[int]:
    """A server that says this to whoever asks; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            await reader.readline()
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, port)
    async with server:
        yield server.sockets[0].getsockname()[1]


def times(count: int) -> Callable[[], bool]:
    """Alive for so many looks."""
    left = iter(range(count))
    return lambda: next(left, None) is not None


def probe(kind: str, port: object, **more: Any) -> str:
    details = {"port": port} | ({"path": more.pop("path")} if "path" in more else {})
    return json.dumps({kind: details, "periodSeconds": 1, **more})


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 302 Found\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 503\r\n\r\n", False),
        (b"SSH-2.0-x\r\n", False),
        (b"x" * 100_000, False),
        (b"\r\n", False),
    ],
)
async def test_http(answer: bytes, holds: bool) -> None:
    async with serving(answer) as port:
        assert await ready(probe("httpGet", port, path="/health"), times(2), NOWHERE) is holds


async def test_tcp_and_a_port_as_text() -> None:
    async with serving(b"") as port:
        assert await ready(probe("tcpSocket", str(port)), times(2), NOWHERE)
        assert await ready(probe("grpc", port, successThreshold=3), times(4), NOWHERE)
        assert not await ready(probe("grpc", port, successThreshold=3), times(2), NOWHERE)
    assert not await ready(probe("tcpSocket", port), times(2), NOWHERE)


async def test_it_is_tried_until_the_service_answers() -> None:
    async with serving(b"") as port:
        pass  # now we know a port that nobody serves
    waiting = asyncio.ensure_future(ready(probe("tcpSocket", port), lambda: True, NOWHERE))  # noqa: TID251 - awaited below
    await asyncio.sleep(0)
    async with serving(b"", port):
        assert await asyncio.wait_for(waiting, 10)


@pytest.mark.parametrize("said", [{}, {"tcpSocket": {"port": "http"}}])
async def test_what_cannot_be_tried_counts_as_ready(said: dict[str, Any]) -> None:
    assert await ready(json.dumps(said), lambda: False, NOWHERE)


async def test_exec_waits_for_the_mark_of_the_conductor(tmp_path: Path) -> None:
    said = json.dumps({"exec": {"command": ["true"]}})
    assert not await ready(said, times(2), tmp_path / "ready")
    waiting = asyncio.ensure_future(ready(said, lambda: True, tmp_path / "ready"))  # noqa: TID251 - awaited below
    (tmp_path / "ready").touch()
    assert await waiting
