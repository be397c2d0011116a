"""The store on SQLite: one thread writes, a few read.

Writes are units of work in a queue; the writer takes all that wait, runs each inside a savepoint of one transaction,
commits once and answers all: one fsync for many. Reads run on their own connections, each in a transaction of its own,
which sees every commit that was answered before. Called by the assembly; the services know it as
control_plane.ports.store.Store.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar, cast

from control_plane.adapters.batching import Batcher, Done, Failed, Outcome
from control_plane.adapters.sqlite.connection import Session, connect, explained
from control_plane.adapters.sqlite.form import is_newest, make_where_empty
from control_plane.adapters.sqlite.unit import SqliteUnit
from control_plane.ports.opening import Unusable
from control_plane.ports.store import Unavailable, Unit

T = TypeVar("T")
Work = Callable[[Unit], object]

MAX_UNITS = 256
"""Units of work in one commit at the most: bounds how long the first of them waits for the others."""


class SqliteStore:
    """The Store port. Made by ``open``."""

    def __init__(self, path: Path, readers: int, busy_timeout: float) -> None:
        self._path = path
        self._writer = connect(path, busy_timeout=busy_timeout)
        self._unit = SqliteUnit(Session(self._writer, path))
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for _ in range(readers):
            self._idle.put(connect(path, busy_timeout=busy_timeout, read_only=True))
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-read")
        self._batcher: Batcher[Work] = Batcher("store-write", self._perform, MAX_UNITS, self._closed_error)
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, readers: int = 2, busy_timeout: float = 5.0) -> SqliteStore:
        """Open the database, made or upgraded where it must.

        Unusable: newer than this program, no database, damaged, not writable.

        ``busy_timeout`` in seconds: how long another program's lock is waited for before Unavailable is raised.
        """
        return await asyncio.to_thread(_opened, cls, path, readers, busy_timeout)

    async def write(self, work: Callable[[Unit], T]) -> T:
        """As the port says."""
        return cast("T", await self._batcher.submit(work))

    async def read(self, work: Callable[[Unit], T]) -> T:
        """As the port says. RuntimeError where the work tries to write."""
        if self._closed:
            raise self._closed_error()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def close(self) -> None:
        """As the port says. May be called again."""
        if self._closed:
            return
        self._closed = True
        await self._batcher.close()
        await asyncio.to_thread(self._readers.shutdown)
        while not self._idle.empty():
            self._idle.get().close()
        self._writer.close()

    def _read(self, work: Callable[[Unit], T]) -> T:
        connection = self._idle.get()
        try:
            connection.execute("BEGIN")
            return work(SqliteUnit(Session(connection, self._path, read_only=True)))
        except sqlite3.Error as error:
            raise explained(error, self._path) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._idle.put(connection)

    def _perform(self, batch: Sequence[Work]) -> Sequence[Outcome]:
        """All of it in one transaction. Where that fails, nobody's work has happened, whatever it came to."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            outcomes = [self._run(work) for work in batch]
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            return [Failed(explained(error, self._path))] * len(batch)
        except Unavailable as error:
            return [Failed(error)] * len(batch)
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        return outcomes

    def _run(self, work: Work) -> Outcome:
        """One unit of work.

        Unavailable where the database has given up the whole transaction, as it does when the disk is full.
        """
        self._writer.execute("SAVEPOINT unit")
        try:
            value = work(self._unit)
        except Exception as error:  # it is the caller's, who gets it; the others' work goes on
            if isinstance(error, Unavailable) or not self._writer.in_transaction:
                raise Unavailable(str(error), getattr(error, "retry_after", 1.0)) from error
            self._writer.execute("ROLLBACK TO unit")
            self._writer.execute("RELEASE unit")
            return Failed(error)
        if not self._writer.in_transaction:
            raise Unavailable("the database gave up the transaction", 1.0)
        self._writer.execute("RELEASE unit")
        return Done(value)

    def _closed_error(self) -> Exception:
        return Unavailable("the store is closed")


def _opened(cls: type[SqliteStore], path: Path, readers: int, busy_timeout: float) -> SqliteStore:
    try:
        connection = connect(path, busy_timeout=busy_timeout)
        try:
            make_where_empty(connection)
            due = not is_newest(connection)
        finally:
            connection.close()
        _sync_directory(path.parent)
        if due:
            from control_plane.adapters.sqlite.migrate import migrate  # what it needs is large and rarely needed

            migrate(path, busy_timeout)
        return cls(path, readers, busy_timeout)
    except OSError as error:
        raise Unusable(f"the database {path} cannot be opened: {error.strerror}") from error
    except sqlite3.Error as error:
        raise Unusable(_refusal(path, error)) from error


def _refusal(path: Path, error: sqlite3.Error) -> str:
    if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
        return f"{path} is no SQLite database: name another file, or move this one away"
    return f"the database {path} cannot be opened: {error}"


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
