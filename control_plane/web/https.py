"""HTTPS with our own root, for the enrolment port. Called by the assembly.

Strangers may connect here, so a connection lives CONNECTION_LIFE seconds whatever happens on it, and there are at
most CONNECTIONS.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from control_plane.ports.authority import Authority

CONNECTION_LIFE: Final = 15.0
CONNECTIONS: Final = 256
MAX_HEAD: Final = 16 * 1024
"""Bytes of a request's line and headers at the most."""


class ShortLived(H11Protocol):
    """HTTP/1.1 on a connection that ends soon: who dawdles gains nothing."""

    _end: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection begins."""
        super().connection_made(transport)
        self._end = self.loop.call_later(CONNECTION_LIFE, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended."""
        self._end.cancel()
        super().connection_lost(exc)


def configuration(app: ASGIApp, authority: Authority, host: str, port: int) -> uvicorn.Config:
    """For uvicorn.Server."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=ShortLived,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD,
        ssl_context_factory=lambda _config, _default: context(authority),
    )


def context(authority: Authority) -> ssl.SSLContext:
    """Each handshake shows the authority's certificate as it is at that moment."""
    current = authority.server_pem()
    shown = _loaded(current)

    def show(connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal current, shown
        if (now := authority.server_pem()) != current:
            current, shown = now, _loaded(now)
        connection.context = shown

    outer = _loaded(current)
    outer.sni_callback = show
    return outer


def _loaded(pem: tuple[bytes, bytes]) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile() as file:  # 0600; the ssl module reads keys from files alone
        file.write(b"".join(pem))
        file.flush()
        made.load_cert_chain(file.name)
    return made
