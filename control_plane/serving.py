"""Listening sockets and HTTP servers, for the assembly. Knows nothing of what is served."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


class CannotListen(Exception):
    """An address cannot be listened on. The sentence says which, and why."""


def listening(what: str, host: str, port: int) -> socket.socket:
    """A socket that listens on host:port. CannotListen."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise CannotListen(_why(what, host, port, error)) from None
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited; asyncio sets it only where proto is given
    bound.setblocking(False)
    return bound


def port_for(what: str, host: str, port: int) -> int:
    """``port``, or any where it is 0, found free: for who binds it himself a moment later. CannotListen."""
    with listening(what, host, port) as probe:
        return int(probe.getsockname()[1])


def _why(what: str, host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{what} cannot listen on {host}:{port}: another program uses the port"
    if error.errno == errno.EACCES:
        return f"{what} cannot listen on {host}:{port}: this user may not (ports below 1024 belong to root)"
    return f"{what} cannot listen on {host}:{port}: {error.strerror or error}"


def http(app: ASGIApp) -> uvicorn.Config:
    """Plain HTTP for people, on loopback."""
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
    )


class WebServer(uvicorn.Server):
    """An HTTP server that leaves signals to the program it is part of. ``listens`` is set once it takes connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def listen(self, bound: socket.socket) -> None:
        """Serve on ``bound`` until ``leave``."""
        await self.serve([bound])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        self.listens.set()

    def leave(self) -> None:
        """Take no more connections, finish those that are open, end."""
        self.should_exit = True
