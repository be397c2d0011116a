"""How a call ended, as LinkDown, Refused or Fenced. Called by everything in agent.link that makes calls.

gRPC forgets what the other side said where one of our writes fails at the same moment: it then calls the end an
internal error (grpc/grpc#36066). To be fenced must not look like a broken link: the first honest status is kept here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import grpc

from agent.link.identity import Identity
from agent.link.statuses import meaning
from workflow.session import LinkDown

HONEST: Final = 1.0
"""Seconds for which the other side's own status is waited for, once a write has failed."""
_FORGOTTEN: Final = "Internal error from Core"

T = TypeVar("T")


class Ending:
    """The end of one call, which is watched from its beginning on."""

    def __init__(self, call: Any) -> None:
        """``call``: any call of grpc.aio."""
        self._said: asyncio.Future[tuple[grpc.StatusCode, str]] = asyncio.get_running_loop().create_future()
        call.add_done_callback(self._ended)

    def _ended(self, call: Any) -> None:
        code, details = _at_once(call.code()), _at_once(call.details()) or ""
        if details != _FORGOTTEN and not self._said.done():
            self._said.set_result((code, details))

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Status and details, once the call is over or about to be."""
        await asyncio.wait([self._said], timeout=HONEST)
        return self._said.result() if self._said.done() else (grpc.StatusCode.UNAVAILABLE, "Socket closed")

    @asynccontextmanager
    async def understood(self, identity: Identity) -> AsyncIterator[None]:
        """What gRPC raises inside comes out as LinkDown, Refused or Fenced. ``identity``: whom the call spoke for."""
        try:
            yield
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            raise meaning(*await self.status(), identity) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise LinkDown("the call was ended by this side") from None  # by another task's cancelled read or write


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The value of a coroutine that has nothing to wait for: the call is over, its status is there."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    coroutine.close()
    raise AssertionError("a call that is over has its status")
