"""Several asynchronous sources as one, each at its own pace, with at most a few items in memory.

Called by services.logs and services.watching. Sources are added while others run. A slow reader stops the sources,
not more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


@dataclass(frozen=True, slots=True)
class _Ended:
    pass


class Merge(Generic[T]):
    """Used as ``async with Merge() as merge: merge.add(...); async for item in merge.items(): ...``, in one task.

    Ends when every source has ended; the first source that fails ends it with its error.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[T | _Failed | _Ended] = asyncio.Queue(maxsize=1)
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def add(self, source: AsyncGenerator[T]) -> None:
        """One more source. It is closed when it ends, or when the merge is left."""
        self._open += 1
        task = self._group.create_task(self._pump(source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def items(self) -> AsyncGenerator[T]:
        """What the sources yield, as it comes."""
        while self._open:
            item = await self._queue.get()
            if isinstance(item, _Failed):
                raise item.error
            if isinstance(item, _Ended):
                self._open -= 1
            else:
                yield item

    async def _pump(self, source: AsyncGenerator[T]) -> None:
        async with aclosing(source):
            try:
                async for item in source:
                    await self._queue.put(item)
            except Exception as error:  # noqa: BLE001 - it is raised again where the items are read
                await self._queue.put(_Failed(error))
            else:
                await self._queue.put(_Ended())
