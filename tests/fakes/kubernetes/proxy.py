"""A man in the middle of an agent and its API server, real or fake, who does what a test tells.

Plain HTTP towards the agent, whatever the server speaks behind. Each request has a name, ``POST pods``, ``LIST pods``,
``WATCH pods``, ``CONNECT pods`` (a forwarded port); ``before`` is asked when one arrives, ``after`` when its answer is
there and not yet passed on. So faults happen at exact points, and the programs under test need none of their own.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

_DROPPED = frozenset({"transfer-encoding", "content-length", "connection", "content-encoding"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    point: str
    path: str
    at: float
    """Seconds of the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Said:
    """The proxy answers itself, as an API server would."""

    code: int
    reason: str
    message: str = "so the test says"
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The connection breaks."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is ever said."""


Fault = Said | Dropped | Silence
Hook = Callable[[Asked], Awaitable[Fault | None]]


async def nothing(_: Asked) -> Fault | None:
    """The request goes its way."""
    return None


class Proxy:
    """In front of one API server."""

    def __init__(self, server: Configuration) -> None:
        self._client = ApiClient(server)
        self.url = ""
        self.asked: list[Asked] = []
        self.before: Hook = nothing
        self.after: Hook = nothing
        self.mute = False
        """Whether watches stay open and tell nothing."""
        self.silent = False
        """Whether nothing at all gets through, on connections that stay open."""
        self.delay = 0.0
        """Seconds that each answer is late."""
        self._watches: set[_Watch] = set()
        self._forwards: set[asyncio.Transport] = set()
        self._loud = asyncio.Event()
        self._came = asyncio.Event()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Proxy]:
        """On a port of its own."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.drop_watches()
            await runner.cleanup()
            await self._client.close()  # type: ignore[no-untyped-call]

    def configuration(self) -> Configuration:
        """For a client that goes through here."""
        configuration = Configuration()
        configuration.host = self.url
        return configuration

    def kubeconfig(self, path: Path) -> Path:
        """The same as a file."""
        named = {"name": "cut", "cluster": {"server": self.url}}
        context = {"name": "cut", "context": {"cluster": "cut", "user": "nobody"}}
        whole = {"clusters": [named], "contexts": [context], "users": [{"name": "nobody", "user": {"token": "none"}}]}
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "cut", **whole}))
        return path

    # --- what tests do --------------------------------------------------------------------------------------

    def drop_watches(self) -> None:
        """Break every watch."""
        for watch in list(self._watches):
            watch.drop()

    def drop_forwards(self) -> None:
        """Break every forwarded port."""
        for transport in list(self._forwards):
            transport.abort()

    def expire_watches(self) -> None:
        """Every watch says that it is too old (410), and ends."""
        for watch in list(self._watches):
            watch.expire()

    def speak(self) -> None:
        """Let everything through again."""
        self.silent = self.mute = False
        self._loud.set()

    async def silence(self, seconds: float) -> None:
        """Let time pass in which nothing is heard: a fault, not a wait for something."""
        await asyncio.sleep(seconds)

    async def next(self) -> None:
        """Wait for the next request, a minute at the most."""
        self._came.clear()
        async with asyncio.timeout(60):
            await self._came.wait()

    def count(self, point: str) -> int:
        """How often that was asked."""
        return sum(each.point == point for each in self.asked)

    # --- parts ----------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(_point(request), request.path, time.monotonic())
        self.asked.append(asked)
        self._came.set()
        await self._heard()
        await asyncio.sleep(self.delay)
        if (fault := await self.before(asked)) is not None:
            return await self._fault(request, fault)
        if asked.point.startswith("CONNECT"):
            return await self._forwarded(request, asked)
        verb, url, headers, body = await self._onward(request)
        session = self._client.rest_client.pool_manager or self._client.rest_client._create_pool_manager()
        self._client.rest_client.pool_manager = session
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with session.request(verb, url, headers=headers, data=body or None, timeout=timeout) as answer:
                if asked.point.startswith("WATCH") and answer.status == 200:
                    fault = await self.after(asked)
                    return await (self._fault(request, fault) if fault else self._watched(request, answer))
                content = await answer.read()
        except aiohttp.ClientError:
            return await self._fault(request, Dropped())
        await self._heard()
        if (fault := await self.after(asked)) is not None:
            return await self._fault(request, fault)
        kept = {key: value for key, value in answer.headers.items() if key.lower() not in _DROPPED}
        return web.Response(status=answer.status, headers=kept, body=content)

    async def _onward(self, request: web.Request) -> tuple[str, str, dict[str, str], bytes]:
        kept = {key: value for key, value in request.headers.items() if key in {"Accept", "Content-Type"}}
        verb, url, headers, *_ = await self._client.param_serialize(
            method=request.method, resource_path=request.path_qs, header_params=kept, auth_settings=["BearerToken"]
        )
        return verb, url, headers, await request.read()

    async def _heard(self) -> None:
        while self.silent:
            self._loud.clear()
            await self._loud.wait()

    async def _fault(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        match fault:
            case Said(code, reason, message, retry_after):
                status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
                wish = {"Retry-After": retry_after} if retry_after else {}
                return web.json_response(status, status=code, headers=wish)
            case Dropped():
                if request.transport is not None:
                    request.transport.abort()
            case Silence():
                await asyncio.Event().wait()
        return web.Response()

    async def _watched(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        watch = _Watch(request, response)
        self._watches.add(watch)
        try:
            async for line in answer.content:
                await self._heard()
                if not self.mute:
                    await response.write(line)
        except (ConnectionError, aiohttp.ClientError):
            pass
        finally:
            self._watches.discard(watch)
        return response

    async def _forwarded(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        _, url, headers, _ = await self._onward(request)
        protocols = tuple(request.headers.get("Sec-WebSocket-Protocol", "").replace(" ", "").split(","))
        session = self._client.rest_client.pool_manager or self._client.rest_client._create_pool_manager()
        self._client.rest_client.pool_manager = session
        here = web.WebSocketResponse(protocols=protocols, max_msg_size=0)
        try:
            there = await session.ws_connect(
                url.replace("http", "ws", 1), headers=headers, protocols=protocols, max_msg_size=0
            )
        except aiohttp.ClientError:
            return await self._fault(request, Said(500, "InternalError", "the port cannot be forwarded"))
        if (fault := await self.after(asked)) is not None:
            await there.close()
            return await self._fault(request, fault)
        await here.prepare(request)
        transport = request.transport
        if transport is None:
            return here
        self._forwards.add(transport)
        try:
            async with there, asyncio.TaskGroup() as ways:
                ways.create_task(self._way(here, there))
                ways.create_task(self._way(there, here))
        finally:
            self._forwards.discard(transport)
        return here

    async def _way(
        self,
        source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    ) -> None:
        with suppress(ConnectionError, aiohttp.ClientError):
            async for message in source:
                await self._heard()
                if message.type is aiohttp.WSMsgType.BINARY:
                    await target.send_bytes(message.data)
        await target.close()


class _Watch:
    """One watch that goes through."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request = request
        self._response = response

    def drop(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    def expire(self) -> None:
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        line = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
        transport = self._request.transport
        if transport is not None:
            transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(line), line))
            transport.close()


def _point(request: web.Request) -> str:
    """``VERB kind``."""
    parts = request.path.strip("/").split("/")
    place = parts.index("namespaces") + 2 if "namespaces" in parts[:-2] else len(parts) - 1
    kind, named, below = parts[place], len(parts) > place + 1, parts[place + 2 :]
    if below == ["portforward"]:
        return f"CONNECT {kind}"
    if request.query.get("watch") == "true":
        return f"WATCH {kind}"
    if request.method == "GET" and not named:
        return f"LIST {kind}"
    return f"{request.method} {'/'.join([kind, *below])}"
