"""The store's twin: tables in memory with the database's constraints, one unit of work at a time.

A unit that fails is taken back. Where a test wants the disk full, it sets ``refusal``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from control_plane.adapters.memory.rows import (
    MemoryCatalog,
    MemoryEntries,
    MemoryExecutions,
    MemoryFleet,
    MemoryGarbage,
    MemoryRuns,
)
from control_plane.adapters.memory.tables import Ledger
from control_plane.ports.store import Unavailable, Unit

T = TypeVar("T")


class MemoryUnit:
    """The Unit of MemoryStore."""

    def __init__(self, ledger: Ledger) -> None:
        self.catalog = MemoryCatalog(ledger)
        self.runs = MemoryRuns(ledger)
        self.executions = MemoryExecutions(ledger, self.runs)
        self.entries = MemoryEntries(ledger, self.executions)
        self.fleet = MemoryFleet(ledger)
        self.garbage = MemoryGarbage(ledger)


class MemoryStore:
    """The Store port. Set ``refusal`` to a sentence to have every write refused, as by a full disk."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._unit = MemoryUnit(self._ledger)
        self._closed = False
        self.refusal: str | None = None

    async def write(self, work: Callable[[Unit], T]) -> T:
        """As the port says."""
        await self._turn()
        if self.refusal is not None:
            raise Unavailable(self.refusal)
        self._ledger.writable = True
        try:
            value = work(self._unit)
        except BaseException:
            self._ledger.revert()
            raise
        finally:
            self._ledger.writable = False
        self._ledger.keep()
        await asyncio.sleep(0)  # as with a database, others may come between the commit and its answer
        return value

    async def read(self, work: Callable[[Unit], T]) -> T:
        """As the port says."""
        await self._turn()
        return work(self._unit)

    async def close(self) -> None:
        """Serve nothing more."""
        self._closed = True

    async def _turn(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")
        await asyncio.sleep(0)
