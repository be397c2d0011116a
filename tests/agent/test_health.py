"""Whether the agent lives, for whoever restarts programs."""

from __future__ import annotations

import asyncio

import pytest

from agent.health import health


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("path", "ready", "status"),
    [("/healthz", False, b"200"), ("/readyz", True, b"200"), ("/readyz", False, b"503"), ("/secrets", True, b"404")],
)
async def test_it_answers_what_it_was_asked(path: str, ready: bool, status: bytes) -> None:
    async with health(0, lambda: ready) as port:
        answer = await asked(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.split(b" ", 2)[1] == status


async def test_what_is_too_long_is_hung_up_on() -> None:
    async with health(0, lambda: True) as port:
        assert await asked(port, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n") == b""
