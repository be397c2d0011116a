"""Brings a database to the form that this program wants, or refuses it in words. Called by the store when it opens.

All migrations that are due run in one transaction: afterwards the database is new, or as it was.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from control_plane.adapters.sqlite.tables import metadata
from control_plane.ports.opening import Unusable

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(path: Path, busy_timeout: float) -> None:
    """Upgrade the database at ``path``, which may be empty.

    Unusable where a newer program made it; sqlite3.Error where SQLite refuses.
    """
    engine = create_engine(
        f"sqlite:///{path}", poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"timeout": busy_timeout}
    )
    event.listen(engine, "connect", _careful)
    try:
        with engine.connect() as connection:
            _upgrade_whole(connection, path)
    except DBAPIError as error:
        raise error.orig or error from error


def _upgrade_whole(connection: Connection, path: Path) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        upgrade(connection, path)
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def upgrade(connection: Connection, path: Path) -> None:
    """Run what is due on a connection that is inside a transaction."""
    scripts = scripts_of_this_program()
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise Unusable(
            f"the database {path} was made by a newer Muster (its form is {current}, this program knows up to "
            f"{scripts.get_current_head()}): start the newer program, or restore a backup"
        )
    if current == scripts.get_current_head():
        return
    environment = EnvironmentContext(
        Config(),
        scripts,
        fn=lambda revision, _: scripts._upgrade_revs("head", revision),
    )
    with environment:
        environment.configure(connection=connection, target_metadata=metadata)
        environment.run_migrations()


def scripts_of_this_program() -> ScriptDirectory:
    """The migrations that were shipped with this program."""
    return ScriptDirectory(str(_SCRIPTS))


def _careful(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
