"""Requests to one API server: authenticated by the official client, counted, repeated where that helps, never without
an end.

Made by the assembly, called by the rest of this package. Objects are plain JSON: the generated models of every kind
would cost more memory than the agent itself.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

from agent.executors.kubernetes.client import Client, send

Object = dict[str, Any]
"""An object of the API, as JSON."""

MAX_LINE: Final = 8 * 1024 * 1024
"""Bytes of one event of a watch at the most."""
_TRYING = 30.0
_ONE_TRY = 15.0
_LONGEST_WISH = 60.0
"""Seconds that an API server may ask us to wait, at the most."""
_SAME = 2.0
"""Seconds by which two clocks differ that count as the same."""
_pause = wait_random_exponential(0.2, max=5)
_MERGE = {"Content-Type": "application/merge-patch+json"}
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ApiRefused(Exception):
    """The API server said no. ``words`` are its own; ``after``: seconds after which it may be asked again."""

    def __init__(self, status: int, reason: str, words: str, after: float = 0) -> None:
        super().__init__(f"{status} {reason}: {words}")
        self.status, self.reason, self.words, self.after = status, reason, words, after


class ApiDown(Exception):
    """The API server cannot be reached, or is too busy, for longer than we try. Nothing is known of what was asked."""


class _Again(Exception):
    """Worth another try, ``after`` so many seconds at the earliest."""

    def __init__(self, words: str, after: float = 0) -> None:
        super().__init__(words)
        self.after = after


class Calls:
    """One API server."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.count: Counter[str] = Counter()
        """How often each verb was asked, tries included."""
        self._ahead = 0.0

    @property
    def client(self) -> Client:
        """For connections that are no requests."""
        return self._client

    def now(self) -> float:
        """Seconds since 1970 by the API server's clock, as far as it told: ours may be another."""
        return time.time() + self._ahead

    async def get(self, path: str, query: Mapping[str, str] | None = None, *, metadata: bool = False) -> Object | None:
        """An object or a list; None where there is none. ``metadata``: of a list, only what names and labels say."""
        try:
            return await self._tried("GET", path, query, accept=_METADATA if metadata else "application/json")
        except ApiRefused as refused:
            if refused.status == 404:
                return None
            raise

    async def create(self, path: str, body: Mapping[str, Any]) -> Object:
        """Raises ApiRefused, ApiDown."""
        return await self._tried("POST", path, None, body)

    async def merge(self, path: str, body: Mapping[str, Any]) -> Object:
        """Change what ``body`` says of an object; null takes away. Raises ApiRefused, ApiDown."""
        return await self._tried("PATCH", path, None, body)

    async def delete(self, path: str, query: Mapping[str, str] | None = None, grace: int | None = None) -> bool:
        """Whether there was something to delete."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            await self._tried("DELETE", path, query, body)
        except ApiRefused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    @asynccontextmanager
    async def watch(self, path: str, query: Mapping[str, str], silence: float) -> AsyncIterator[AsyncIterator[Object]]:
        """The events of a watch, as they come. Ends with the watch; raises ApiDown after ``silence`` seconds of
        nothing, ApiRefused where it is not granted (410: too old)."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_ONE_TRY, sock_read=silence)
        try:
            response = await self._sent("GET", path, {**query, "watch": "true"}, None, "application/json", timeout)
            try:
                yield self._events(response)
            finally:
                response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise ApiDown(_said(problem)) from None

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()

    # --- parts ----------------------------------------------------------------------------------------------

    async def _tried(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object = None,
        accept: str = "application/json",
    ) -> Object:
        trying = AsyncRetrying(
            retry=retry_if_exception_type(_Again),
            stop=stop_after_delay(_TRYING),
            wait=_patience,
            reraise=True,
        )
        try:
            async for attempt in trying:
                with attempt:
                    return await self._once(verb, path, query, body, accept)
        except _Again as last:
            raise ApiDown(str(last)) from None
        raise AssertionError("trying ends by an answer or by an error")

    async def _once(self, verb: str, path: str, query: Mapping[str, str] | None, body: object, accept: str) -> Object:
        timeout = aiohttp.ClientTimeout(total=_ONE_TRY)
        try:
            response = await self._sent(verb, path, query, body, accept, timeout)
            try:
                found: Object = json.loads(await response.read())
            finally:
                response.release()
        except ApiRefused as refused:
            if refused.status in {429, 500, 502, 503, 504} and not _quota(refused):
                raise _Again(str(refused), refused.after) from None
            raise
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            raise _Again(_said(problem)) from None
        return found

    async def _sent(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
        accept: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        self.count["WATCH" if query and "watch" in query else verb] += 1
        whole = path + (f"?{urlencode(query)}" if query else "")
        said = {"Accept": accept, **(_MERGE if verb == "PATCH" else {})}
        response = await send(self._client, verb, whole, said, body, timeout)
        self._ahead = _ahead(response.headers.get("Date", ""), self._ahead)
        if response.status >= 300:
            raise _refusal(response.status, await response.read(), response.headers.get("Retry-After", ""))
        return response

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncIterator[Object]:
        buffer = bytearray()
        async for data in response.content.iter_any():
            buffer += data
            while (end := buffer.find(b"\n")) >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                if line.strip():
                    yield _event(line)
            if len(buffer) > MAX_LINE:
                raise ApiDown(f"an event of more than {MAX_LINE} bytes")


def _event(line: bytes) -> Object:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ApiDown("the API server sends what is no event")
    return found


def _refusal(status: int, content: bytes, retry_after: str) -> ApiRefused:
    after = min(float(retry_after), _LONGEST_WISH) if retry_after.isdecimal() else 0
    try:
        found = json.loads(content)
        return ApiRefused(status, str(found.get("reason", "")), str(found.get("message", ""))[:2000], after)
    except (ValueError, AttributeError):
        return ApiRefused(status, "", content[:500].decode("utf-8", "replace"), after)


def _patience(state: RetryCallState) -> float:
    """Seconds until the next try: as many as the API server wishes, at the least."""
    problem = state.outcome.exception() if state.outcome is not None else None
    return max(_pause(state), problem.after if isinstance(problem, _Again) else 0)


def _ahead(date: str, otherwise: float) -> float:
    """How far the server's clock is ahead of ours; it tells whole seconds."""
    try:
        ahead = parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
    except ValueError:
        return otherwise
    return ahead if abs(ahead) > _SAME else 0


def _quota(refused: ApiRefused) -> bool:
    return refused.status == 429 and "quota" in refused.words


def _said(problem: BaseException) -> str:
    if isinstance(problem, TimeoutError | asyncio.TimeoutError):
        return "the API server does not answer"
    return f"the API server cannot be reached: {problem}"
