"""Whether a database has the form that this program wants, and that form for an empty one: without the machinery that
migrates.

Called by the store when it opens: loading SQLAlchemy and Alembic costs a third of a second and 25 MB, and nearly
always there is nothing for them to do.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from control_plane.adapters.sqlite.schema import SCHEMA

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def newest() -> str:
    """The form that the newest migration makes; a migration's file is named by the form, then ``_`` and words."""
    return max(path.stem.partition("_")[0] for path in _VERSIONS.glob("[0-9]*.py"))


def is_newest(connection: sqlite3.Connection) -> bool:
    """Whether nothing is due. sqlite3.Error where the file is no database."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return False
    return connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest(),)]


def make_where_empty(connection: sqlite3.Connection) -> None:
    """Make the newest form in a database that has nothing in it; all of it or nothing. sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
