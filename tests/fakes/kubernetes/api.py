"""The API server's HTTP: objects created, read, listed, watched and deleted; troubles on demand."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate

from aiohttp import web

from tests.fakes.kubernetes.objects import Object, Objects, Refusal, Watcher


class Api:
    """One API server. ``deleting`` is told of pods that are to end; it removes them when they have."""

    def __init__(self, objects: Objects, deleting: Callable[[str, str, int], None]) -> None:
        self.objects = objects
        self.asked: Counter[str] = Counter()
        self.troubles: deque[Refusal] = deque()
        """Answers for the next requests that are no watches."""
        self.url = ""
        self._deleting = deleting

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Api]:
        """On a port of its own."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.objects.end_watches()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        watching = request.query.get("watch") == "true"
        self.asked["WATCH" if watching else request.method] += 1
        try:
            if watching:
                return await self._watch(request)
            if self.troubles:
                raise self.troubles.popleft()
            body = await request.json() if request.can_read_body else {}
            return web.json_response(self._done(request, body), headers=self._date())
        except Refusal as refusal:
            return web.json_response(refusal.status(), status=refusal.code)

    def _date(self) -> dict[str, str]:
        """What time it is here."""
        return {"Date": formatdate(time.time() + self.objects.ahead, usegmt=True)}

    def _done(self, request: web.Request, body: Object) -> Object:
        path, selector = request.path, request.query.get("labelSelector", "")
        collection, _, name = path.rpartition("/")
        grouped = path.startswith(
            "/apis/"
        )  # apis/GROUP/v1/namespaces/NS/KIND/NAME, else api/v1/namespaces/NS/KIND/NAME
        single = len(path.strip("/").split("/")) % 2 == grouped
        match request.method:
            case "POST" if name == "eviction":
                pods, _, evicted = collection.rpartition("/")
                return self._deleted(pods, evicted, {})
            case "POST":
                return self.objects.create(path, body)
            case "GET" if single:
                return self.objects.get(path)
            case "GET":
                items = self.objects.list(path, selector)
                return {"metadata": {"resourceVersion": self.objects.version}, "items": items}
            case "PATCH":
                return self.objects.merge(collection, name, body)
            case "DELETE" if single:
                return self._deleted(collection, name, body)
            case "DELETE":
                for item in self.objects.list(path, selector):
                    self.objects.remove(path, item["metadata"]["name"])
                return {"kind": "Status", "status": "Success"}
        raise Refusal(405, "MethodNotAllowed", request.method)

    def _deleted(self, collection: str, name: str, body: Object) -> Object:
        held = self.objects.get(f"{collection}/{name}")
        grace = body.get("gracePeriodSeconds", 30)
        if collection.endswith("/pods") and grace > 0:
            self.objects.update(
                collection, name, lambda pod: pod["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z")
            )
            self._deleting(collection, name, grace)
        else:
            self._deleting(collection, name, 0)
            self.objects.remove(collection, name)
        return held

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        version = request.query.get("resourceVersion", "")
        if version and int(version) < 100:
            raise Refusal(410, "Expired", "too old resource version")
        watcher = Watcher(request.path, request.query.get("labelSelector", ""))
        self.objects.watch(watcher, int(version or self.objects.version))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        try:
            await response.prepare(request)
            while (event := await watcher.events.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.objects.watchers.remove(watcher)
        return response
