"""The form of the database: made, kept, upgraded as a whole, refused in words."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from control_plane.adapters.sqlite import SqliteStore, form, generate, migrate, statements
from control_plane.adapters.sqlite.connection import connect
from control_plane.adapters.sqlite.form import newest
from control_plane.adapters.sqlite.migrate import scripts_of_this_program
from control_plane.adapters.sqlite.tables import metadata
from control_plane.ports.opening import Unusable
from tests.contracts.store.rows import a_run
from workflow.identifiers import RunId


async def test_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    await (await SqliteStore.open(tmp_path / "muster.db")).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'muster.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


async def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        store = await SqliteStore.open(tmp_path / "muster.db")
        await store.write(lambda unit, n=number: unit.runs.add(a_run(f"r{n}", n)))  # type: ignore[misc]
        assert await store.read(lambda unit: unit.runs.get(RunId("r1"))) == a_run("r1", 1)
        await store.close()


async def test_a_newer_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "muster.db"
    await (await SqliteStore.open(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Unusable, match=rf"made by a newer Muster.*9999.*up to {form.newest()}"):
        await SqliteStore.open(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    connection.close()


async def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "muster.db"
    await (await SqliteStore.open(path)).close()
    scripts = tmp_path / "migrations"
    before = form.newest()
    shutil.copytree(Path(migrate.__file__).parent / "migrations", scripts)
    for revision, down, body in (
        ("9001", before, "op.execute('CREATE TABLE half (x INTEGER)')"),
        ("9002", "9001", "raise RuntimeError('in the middle')"),
    ):
        head = f"from alembic import op\nrevision = '{revision}'\ndown_revision = '{down}'\n"
        (scripts / "versions" / f"{revision}.py").write_text(f"{head}def upgrade():\n    {body}\n")
    monkeypatch.setattr(migrate, "_SCRIPTS", scripts)
    monkeypatch.setattr(form, "_VERSIONS", scripts / "versions")
    with pytest.raises(RuntimeError, match="in the middle"):
        await SqliteStore.open(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (before,)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)
    connection.close()


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a database\n" * 100)
    with pytest.raises(Unusable, match="no SQLite database"):
        await SqliteStore.open(path)
    assert path.read_text().startswith("these are my notes")


async def test_a_folder_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="No such file or directory"):
        await SqliteStore.open(tmp_path / "nowhere" / "muster.db")


def test_a_connection_is_set_for_durability(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.db", busy_timeout=5.0)
    values = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    connection.close()
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    assert (tmp_path / "a.db").stat().st_mode & 0o777 == 0o600


def test_the_hot_queries_use_their_indexes(tmp_path: Path) -> None:
    migrate.migrate(tmp_path / "a.db", 1.0)
    connection = connect(tmp_path / "a.db", busy_timeout=1.0)

    def way(sql: str, **params: object) -> str:
        return " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", params))

    states = '["assigned","queued"]'
    assert "ix_executions_state_queued_at" in way(statements.EXECUTIONS_IN_STATES, states=states, limit=1)
    assert "ix_executions_agent_state" in way(statements.EXECUTIONS_IN_STATES_OF, states=states, agent="x", limit=1)
    assert "INDEX" in way(statements.EXECUTIONS_CHILDREN, parent="x")
    assert "SCAN" not in way(statements.EXECUTIONS_GET, the_id="x")
    assert "ix_executions_name" in way(statements.EXECUTIONS_FIND, name="x")
    assert "ix_executions_run" in way(statements.EXECUTIONS_GLANCES, runs='["a"]')
    assert "ix_runs_finished_at" in way(statements.RUNS_ENDED, before=1, limit=1)
    assert "ix_artifacts_digest" in way(statements.ENTRIES_USES, digest="x")
    connection.close()


def test_the_generated_statements_are_those_of_core_and_the_migrations() -> None:
    """Else: python -m control_plane.adapters.sqlite.generate."""
    assert {path: path.read_text() for path in generate.generated()} == generate.generated()


def _form(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    return [(name, "".join(sql.split())) for name, sql in rows]


async def test_an_empty_database_is_made_as_the_migrations_make_it(tmp_path: Path) -> None:
    await (await SqliteStore.open(tmp_path / "made.db")).close()
    migrate.migrate(tmp_path / "migrated.db", 1.0)
    assert _form(tmp_path / "made.db") == _form(tmp_path / "migrated.db")
    with closing(connect(tmp_path / "made.db", busy_timeout=1.0)) as connection:
        assert form.is_newest(connection)


def test_a_control_plane_does_not_load_what_only_migrations_need(tmp_path: Path) -> None:
    """SQLAlchemy and Alembic are 25 MB and a third of a second."""
    program = (
        "import asyncio, sys, control_plane.__main__\n"
        "from pathlib import Path\n"
        "from control_plane.adapters.sqlite import SqliteStore\n"
        "store = asyncio.run(SqliteStore.open(Path(sys.argv[1])))\n"
        "print(*sorted({'sqlalchemy', 'alembic'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "muster.db")], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("", "", 0)


def test_the_newest_form_is_known_without_alembic() -> None:
    assert newest() == scripts_of_this_program().get_current_head()
