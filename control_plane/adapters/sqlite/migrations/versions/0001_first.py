"""The first form of the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _documents()
    _runs()
    _run_numbers()
    _executions()
    _plans()
    _entries()
    _artifacts()
    _events()
    _agents()


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_documents")),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("actor_name", "actor_kind", "key", name=op.f("uq_runs_actor_name_actor_kind_key")),
        sa.UniqueConstraint("name", name=op.f("uq_runs_name")),
    )
    op.create_index("ix_runs_created_at", "runs", ["created_at", "id"], unique=False)
    op.create_index("ix_runs_workflow_created_at", "runs", ["workflow", "created_at"], unique=False)


def _run_numbers() -> None:
    op.create_table(
        "run_numbers",
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workflow", name=op.f("pk_run_numbers")),
    )


def _executions() -> None:
    op.create_table(
        "executions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("workflow", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("parent_ref", sa.String(), nullable=True),
        sa.Column("parent_index", sa.Integer(), nullable=True),
        sa.Column("child_kind", sa.String(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("pinned", sa.String(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("queued_at", sa.BigInteger(), nullable=True),
        sa.Column("assigned_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("group", sa.String(), nullable=True),
        sa.Column("group_max", sa.Integer(), nullable=True),
        sa.Column("cancel_in_progress", sa.Boolean(), nullable=False),
        sa.Column("on_lost", sa.String(), nullable=False),
        sa.Column("stop_state", sa.String(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("queue_deadline", sa.BigInteger(), nullable=True),
        sa.Column("applied_seq", sa.BigInteger(), nullable=False),
        sa.Column("refused_by", sa.Text(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("waits_at", sa.String(), nullable=True),
        sa.Column("resumed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["parent"], ["executions.id"], name=op.f("fk_executions_parent")),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_executions_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executions")),
        sa.UniqueConstraint(
            "parent", "parent_ref", "parent_index", name=op.f("uq_executions_parent_parent_ref_parent_index")
        ),
    )
    op.create_index("ix_executions_agent_state", "executions", ["agent", "state"], unique=False)
    op.create_index("ix_executions_run", "executions", ["run"], unique=False)
    op.create_index("ix_executions_state_queued_at", "executions", ["state", "queued_at"], unique=False)


def _plans() -> None:
    op.create_table(
        "plans",
        sa.Column("execution", sa.String(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.Column("variables", sa.Text(), nullable=False),
        sa.Column("transfers", sa.Text(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["execution"], ["executions.id"], name=op.f("fk_plans_execution")),
        sa.PrimaryKeyConstraint("execution", name=op.f("pk_plans")),
    )


def _entries() -> None:
    op.create_table(
        "entries",
        sa.Column("execution", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["execution"], ["executions.id"], name=op.f("fk_entries_execution")),
        sa.PrimaryKeyConstraint("execution", "attempt", "seq", name=op.f("pk_entries")),
        sqlite_with_rowid=False,
    )


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("execution", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["execution"], ["executions.id"], name=op.f("fk_artifacts_execution")),
        sa.PrimaryKeyConstraint("execution", "attempt", "name", name=op.f("pk_artifacts")),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("execution", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["execution"], ["executions.id"], name=op.f("fk_events_execution")),
        sa.PrimaryKeyConstraint("execution", "number", name=op.f("pk_events")),
    )


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("max_concurrent", sa.Integer(), nullable=True),
        sa.Column("token_hash", sa.String(), nullable=True),
        sa.Column("token_expires", sa.BigInteger(), nullable=True),
        sa.Column("serials", sa.Text(), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("skew", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_agents")),
    )
    op.create_index("ix_agents_token_hash", "agents", ["token_hash"], unique=False)
