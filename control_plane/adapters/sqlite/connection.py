"""One SQLite connection: how it is opened, and how its errors become words.

Called by the store (its writer and its readers) and by the collections through ``Session``. Knows nothing of what the
tables mean.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from control_plane.ports.store import Conflict, Unavailable

Value = str | bytes | int | None
Params = Mapping[str, Value]
Row = tuple[Value, ...]


def connect(path: Path, *, busy_timeout: float, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun and ended by words alone. sqlite3.Error."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            f"journal_size_limit = {64 * 1024 * 1024}",
            f"query_only = {int(read_only)}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class Session:
    """A connection as the collections see it.

    Errors: Conflict, Unavailable; nothing of sqlite3 gets through, except for what can only be our own mistake
    (ProgrammingError).
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, read_only: bool = False) -> None:
        self._connection = connection
        self._path = path
        self._read_only = read_only

    def all(self, sql: str, params: Params) -> Sequence[Row]:
        """All rows."""
        try:
            return self._connection.execute(sql, params).fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def one(self, sql: str, params: Params) -> Row | None:
        """The first row, or None."""
        try:
            row: Row | None = self._connection.execute(sql, params).fetchone()
        except sqlite3.Error as error:
            raise self._explained(error) from error
        return row

    def run(self, sql: str, params: Params) -> int:
        """How many rows it changed."""
        try:
            return self._connection.execute(sql, params).rowcount
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def run_many(self, sql: str, many: Sequence[Params]) -> None:
        """The same statement with each of the parameters."""
        try:
            self._connection.executemany(sql, many)
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> Exception:
        if self._read_only and getattr(error, "sqlite_errorname", "").startswith("SQLITE_READONLY"):
            return RuntimeError("a unit of work that was given to read tried to write")
        return explained(error, self._path)


def explained(error: sqlite3.Error, path: Path) -> Exception:
    """What the port promises to raise for this error, with a sentence."""
    code = getattr(error, "sqlite_errorname", "")
    match error:
        case sqlite3.IntegrityError():
            return Conflict(f"the database refuses it: {error}")
        case sqlite3.OperationalError() if code == "SQLITE_ERROR":
            return error
        case sqlite3.OperationalError() if code.startswith("SQLITE_FULL"):
            return Unavailable(f"the disk that holds the database {path} is full", retry_after=5.0)
        case sqlite3.OperationalError() if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Unavailable(f"another program keeps the database {path} locked")
        case sqlite3.OperationalError() if code.startswith("SQLITE_READONLY"):
            return Unavailable(f"the database {path} can only be read; is the disk mounted read-only?", retry_after=5.0)
        case sqlite3.ProgrammingError() | sqlite3.InterfaceError():
            return error
        case sqlite3.DatabaseError():
            return Unavailable(
                f"the database {path} cannot be used now: {error} ({code or 'no code'})", retry_after=5.0
            )
        case _:
            return error
