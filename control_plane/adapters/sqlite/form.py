"""Whether a database has the form that this program wants, told without the machinery that would change it.

Called by the store when it opens: loading Alembic costs a tenth of a second and 11 MB, and nearly always there is
nothing for it to do.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def newest() -> str:
    """The form that the newest migration makes; a migration's file is named by the form, then ``_`` and words."""
    return max(path.stem.partition("_")[0] for path in _VERSIONS.glob("[0-9]*.py"))


def is_newest(connection: sqlite3.Connection) -> bool:
    """Whether nothing is due. sqlite3.Error where the file is no database."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return False
    return connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest(),)]
