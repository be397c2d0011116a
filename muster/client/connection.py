"""HTTP to the control plane: requests with the token, answers as values, every failure as a ClientError.

Used by muster.client.client alone. Knows no endpoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import httpx
from pydantic import BaseModel, ValidationError

from muster.client.errors import BROKEN, INVALID, ClientError, InvalidInput, NotThere, Unreachable
from workflow.views import ProblemView

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of any answer that is read whole."""

Params = Mapping[str, str | int | bool | None]


class Refusal(BaseModel):
    """The body of an answer that is an error."""

    error: str = ""
    hint: str = ""
    problems: tuple[ProblemView, ...] = ()


class Connection:
    """One client connection pool. ``transport`` replaces the network (an in-process server, say)."""

    def __init__(self, url: str, token: str, timeout: float, transport: httpx.AsyncBaseTransport | None) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self._url,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=httpx.Timeout(timeout, connect=5),
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def call(
        self, method: str, path: str, *, params: Params | None = None, body: BaseModel | None = None, accept: str = ""
    ) -> bytes:
        """The answer's body. Raises ClientError, in a kind that fits."""
        async with self.open(method, path, params=params, body=body, accept=accept) as answer:
            return await _whole(answer)

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: BaseModel | None = None,
        accept: str = "",
        headers: Mapping[str, str] | None = None,
        endless: bool = False,
    ) -> AsyncIterator[httpx.Response]:
        """The answer, its body still to be read. ``endless``: it may be silent for as long as a heartbeat allows."""
        asked = dict(headers or {})
        if accept:
            asked["Accept"] = accept
        content = None
        if body is not None:
            content, asked["Content-Type"] = body.model_dump_json(by_alias=True, exclude_none=True), "application/json"
        given = {key: _text(value) for key, value in (params or {}).items() if value is not None}
        timeout = httpx.Timeout(60, connect=5) if endless else httpx.USE_CLIENT_DEFAULT
        try:
            async with self._http.stream(
                method, path, params=given, content=content, headers=asked, timeout=timeout
            ) as answer:
                if answer.status_code >= 300:
                    raise _refused(answer.status_code, await _whole(answer))
                yield answer
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except httpx.InvalidURL as error:
            raise ClientError(f"{self._url!r} is no address: {error}", exit_code=INVALID) from error

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        match error:
            case httpx.UnsupportedProtocol():
                return Unreachable(f"{self._url!r} is no address", "write it as http://127.0.0.1:PORT", INVALID)
            case httpx.ConnectError() | httpx.ConnectTimeout():
                return Unreachable(f"no control plane at {self._url}", "start one with `muster up`")
            case httpx.TimeoutException():
                return Unreachable(f"the control plane at {self._url} did not answer in time", "try again")
            case _:
                return Unreachable(f"the connection to the control plane at {self._url} broke", "try again")


def _text(value: str | int | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


async def _whole(answer: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER:
            raise ClientError(f"the answer is larger than {MAX_ANSWER // 1024 // 1024} MiB", "ask for less")
        parts.append(part)
    return b"".join(parts)


def _refused(status: int, body: bytes) -> ClientError:
    try:
        refusal = Refusal.model_validate_json(body)
    except ValidationError:
        refusal = Refusal()
    sentence = refusal.error or f"the control plane answered {status}"
    if refusal.problems:
        return InvalidInput(refusal.error or "the document is invalid", refusal.problems, status)
    match status:
        case 401:
            return ClientError(refusal.error or "the token was not accepted", refusal.hint, INVALID, status)
        case 404:
            return NotThere(sentence, refusal.hint)
        case _:
            return ClientError(sentence, refusal.hint, INVALID if status < 500 else BROKEN, status)
