"""Work that goes on beside a block, and ends with it. Used by the connections of this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def beside(*work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run ``work`` until the block ends. What the block raises comes out as it was raised, in no group."""
    ended: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(each) for each in work]
            try:
                yield
            except BaseException as problem:
                ended = problem
                raise
            finally:
                for task in started:
                    task.cancel()
    except BaseExceptionGroup:
        if ended is None:
            raise
        raise ended from None
