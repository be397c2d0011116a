"""Works that live and end together. Called by the stream handlers: one reads, one writes, one watches; when one is
over, all are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager


class _Over(Exception):
    """One of the works returned."""


async def until_first(*works: Awaitable[None]) -> None:
    """Run all. When one returns the others are cancelled; what one raised is raised, bare and without its group."""
    async with _bare(), asyncio.TaskGroup() as tasks:
        for work in works:
            tasks.create_task(_then_over(work))


@asynccontextmanager
async def besides() -> AsyncIterator[asyncio.TaskGroup]:
    """Works beside the context's own: they are cancelled when it ends; where one fails, it is cancelled, and the
    error raised, bare and without its group."""
    async with _bare(), asyncio.TaskGroup() as tasks:
        yield tasks
        raise _Over


@asynccontextmanager
async def _bare() -> AsyncIterator[None]:
    try:
        yield
    except* _Over:
        pass
    except* Exception as group:  # noqa: BLE001 (raised again)
        raise _first(group) from None


async def _then_over(work: Awaitable[None]) -> None:
    await work
    raise _Over


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
