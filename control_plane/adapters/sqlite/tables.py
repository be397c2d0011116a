"""The tables, as SQLAlchemy Core describes them: what the statements and the migrations are written against.

Times are microseconds since 1970; mappings are JSON texts; ``place`` of an execution is the four ``parent`` columns,
all null for a root. A change here needs a migration beside it: a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _needed(name: str, kind: type[Integer] | type[String] | type[Boolean]) -> Column[object]:
    return Column(name, kind(), nullable=False)


documents = Table(
    "documents",
    metadata,
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    _needed("text", Text),
    _needed("file", String),
    _needed("labels", Text),
    _needed("digest", String),
    _needed("updated_at", BigInteger),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    _needed("name", String),
    _needed("number", Integer),
    _needed("workflow", String),
    _needed("actor_name", String),
    _needed("actor_kind", String),
    _needed("created_at", BigInteger),
    Column("key", String),
    _needed("tags", Text),
    Column("finished_at", BigInteger),
    _needed("verdict", String),
    UniqueConstraint("name"),
    UniqueConstraint("actor_name", "actor_kind", "key"),
    Index("ix_runs_created_at", "created_at", "id"),
    Index("ix_runs_workflow_created_at", "workflow", "created_at"),
    Index("ix_runs_finished_at", "finished_at"),
)

run_numbers = Table(
    "run_numbers",
    metadata,
    Column("workflow", String, primary_key=True),
    _needed("number", Integer),
)

executions = Table(
    "executions",
    metadata,
    Column("id", String, primary_key=True),
    Column("run", String, ForeignKey("runs.id"), nullable=False),
    _needed("name", String),
    _needed("workflow", String),
    _needed("state", String),
    _needed("host", String),
    _needed("created_at", BigInteger),
    Column("parent", String, ForeignKey("executions.id")),
    Column("parent_ref", String),
    Column("parent_index", Integer),
    Column("child_kind", String),
    Column("target", Text),
    Column("pinned", String),
    _needed("attempt", Integer),
    Column("agent", String),
    _needed("reason", Text),
    Column("queued_at", BigInteger),
    Column("assigned_at", BigInteger),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("lease_until", BigInteger),
    Column("group", String),
    Column("group_max", Integer),
    _needed("cancel_in_progress", Boolean),
    _needed("on_lost", String),
    Column("stop_state", String),
    Column("stop_reason", Text),
    _needed("paused", Boolean),
    _needed("address", String),
    _needed("ready", Boolean),
    _needed("description", Text),
    Column("queue_deadline", BigInteger),
    _needed("applied_seq", BigInteger),
    _needed("refused_by", Text),
    _needed("depth", Integer),
    Column("waits_at", String),
    _needed("resumed", Boolean),
    Column("notes", Text, nullable=False, server_default="[]"),
    Column("log_incomplete", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("parent", "parent_ref", "parent_index"),
    Index("ix_executions_run", "run"),
    Index("ix_executions_state_queued_at", "state", "queued_at"),
    Index("ix_executions_agent_state", "agent", "state"),
    Index("ix_executions_name", "name", "created_at"),
)

plans = Table(
    "plans",
    metadata,
    Column("execution", String, ForeignKey("executions.id"), primary_key=True),
    Column("plan", LargeBinary, nullable=False),
    _needed("variables", Text),
    _needed("transfers", Text),
    _needed("annotations", Text),
    Column("secrets", LargeBinary, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("execution", String, ForeignKey("executions.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    _needed("at", BigInteger),
    _needed("kind", String),
    _needed("body", Text),
    sqlite_with_rowid=False,
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("execution", String, ForeignKey("executions.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("name", String, primary_key=True),
    _needed("ref", String),
    _needed("size", BigInteger),
    _needed("digest", String),
    _needed("stored_at", BigInteger),
    Index("ix_artifacts_digest", "digest"),
)

garbage = Table(
    "garbage",
    metadata,
    Column("digest", String, primary_key=True),
    _needed("since", BigInteger),
)

events = Table(
    "events",
    metadata,
    Column("execution", String, ForeignKey("executions.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

agents = Table(
    "agents",
    metadata,
    Column("name", String, primary_key=True),
    _needed("labels", Text),
    _needed("state", String),
    _needed("created_at", BigInteger),
    Column("max_concurrent", Integer),
    Column("token_hash", String),
    Column("token_expires", BigInteger),
    _needed("serials", Text),
    _needed("session", Integer),
    Column("last_seen", BigInteger),
    _needed("version", String),
    _needed("executor", String),
    _needed("skew", BigInteger),
    Index("ix_agents_token_hash", "token_hash"),
)
