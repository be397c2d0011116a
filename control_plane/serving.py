"""Listening sockets and HTTP servers, for the assembly. Knows nothing of what is served."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp


class CannotListen(Exception):
    """An address cannot be listened on. The sentence says which, and why."""


def listening(what: str, setting: str, host: str, port: int) -> socket.socket:
    """A socket that listens on host:port. ``setting`` chooses the port. CannotListen."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise CannotListen(_why(what, setting, host, port, error)) from None
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited; asyncio sets it only where proto is given
    bound.setblocking(False)
    return bound


def port_for(what: str, setting: str, host: str, port: int) -> int:
    """``port``, or any where it is 0, found free: for who binds it himself a moment later. CannotListen."""
    with listening(what, setting, host, port) as probe:
        return int(probe.getsockname()[1])


def _why(what: str, setting: str, host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        holder = f": {found}" if (found := _holder(port)) else f" (as root, `ss -ltnp sport = :{port}` shows which)"
        return (
            f"{what} cannot listen on {host}:{port}: another program uses the port{holder}; end it, "
            f"or choose another port with {setting}"
        )
    if error.errno == errno.EACCES:
        return f"{what} cannot listen on {host}:{port}: this user may not (ports below 1024 belong to root)"
    return f"{what} cannot listen on {host}:{port}: {error.strerror or error}"


def _holder(port: int) -> str:
    """The process that listens on a TCP port, as far as this user may see it; empty where it cannot be told."""
    sockets = {f"socket:[{inode}]" for name in ("tcp", "tcp6") for inode in _listeners(Path("/proc/net", name), port)}
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        with suppress(OSError):
            if any(str(descriptor.readlink()) in sockets for descriptor in (process / "fd").iterdir()):
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return ""


_LISTENS = "0A"


def _listeners(table: Path, port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on the port, from the kernel's table."""
    with suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


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
