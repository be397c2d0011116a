"""What every request passes first: the address it came to, the token, the size of its body; and the last word when
all fails.

Used by control_plane.web.app. Plain ASGI, so that it costs microseconds and streams stay streams. Knows no endpoint
but those that need no token.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("muster.web")

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of a request's body at the most. A document has 1 MiB at the most, and JSON may escape every character."""
COOKIE: Final = "muster_token"
OPEN: Final = frozenset({"/healthz", "/login", "/assets/dashboard.css", "/assets/dashboard.js"})
"""Paths that need no token."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error, and nothing else happened."""

    status: int
    error: str
    hint: str = ""


class Guard:
    """The outermost layer. ``hosts`` are the names under which we may be called, without a port."""

    def __init__(self, app: ASGIApp, token: str, hosts: Iterable[str] = LOOPBACK) -> None:
        if not token:
            raise ValueError("the people's port needs a token")
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is not None:
            await (answer.send_to_login() if _is_page(scope, refusal) else answer.refuse(refusal))
            return
        try:
            await self._app(scope, _Bounded(receive), answer)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            await answer.refuse(Refusal(500, "something is wrong in the control plane", "its log says what"))

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Why the request goes no further, or None."""
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            hint = "use http://127.0.0.1:PORT, or add the name to web_names"
            return Refusal(421, f"this control plane is not called {host[:80]!r}", hint)
        if not headers.get("content-length", "0").isdecimal() or int(headers.get("content-length", "0")) > MAX_BODY:
            return _TOO_LARGE
        if scope["path"] in OPEN:
            return self._foreign(scope, headers, host)
        bearer = _bearer(headers.get("authorization", ""))
        if bearer is not None:
            return None if self._knows(bearer) else _WRONG_TOKEN
        if not self._knows(cookie_token(headers.get("cookie", ""))):
            return _NO_TOKEN
        return self._foreign(scope, headers, host)

    def _foreign(self, scope: Scope, headers: Headers, host: str) -> Refusal | None:
        """A browser's request that changes something must come from our own pages."""
        origin = headers.get("origin")
        if scope["method"] in SAFE or origin == f"{scope.get('scheme', 'http')}://{host}":
            return None
        if origin == f"https://{host}" and _name(host) not in LOOPBACK:  # a proxy before us speaks TLS
            return None
        if origin is None and headers.get("sec-fetch-site") in (None, "same-origin", "none"):
            return None
        return Refusal(403, "the request came from another site")

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token)


_TOO_LARGE: Final = Refusal(413, f"a request has at most {MAX_BODY // 1024 // 1024} MiB")
_WRONG_TOKEN: Final = Refusal(401, "the token was not accepted", "it is in the file `token` of the state directory")
_NO_TOKEN: Final = Refusal(401, "a token is needed", "send `Authorization: Bearer TOKEN`, or log in at /login")


class _Bounded:
    """A request's body, bounded."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > MAX_BODY:
                raise HTTPException(_TOO_LARGE.status, _TOO_LARGE.error)
        return message


class _Answer:
    """An answer under way, with the headers that all have."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def send_to_login(self) -> None:
        """Show the login instead."""
        await self({"type": "http.response.start", "status": 303, "headers": [(b"location", b"/login")]})
        await self({"type": "http.response.body", "body": b""})

    async def refuse(self, refusal: Refusal) -> None:
        """Say so, where nothing was said yet; else the answer stays cut off, which its reader notices."""
        if self._begun:
            return
        body = json.dumps({"error": refusal.error, "hint": refusal.hint}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if refusal.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await self({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _is_page(scope: Scope, refusal: Refusal) -> bool:
    """Whether a browser that has not logged in asks for a page."""
    wants = Headers(scope=scope).get("accept", "")
    return refusal is _NO_TOKEN and scope["method"] == "GET" and "text/html" in wants


def cookie_token(header: str) -> str:
    """The token that the login stored; empty where there is none."""
    try:
        found = SimpleCookie(header[:8192]).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _bearer(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _name(host: str) -> str:
    """The host without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
