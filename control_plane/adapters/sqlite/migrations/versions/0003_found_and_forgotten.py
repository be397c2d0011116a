"""Executions are found by name; what is over is found by its end, and forgotten with its files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "garbage",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_garbage")),
    )
    op.create_index("ix_executions_name", "executions", ["name", "created_at"], unique=False)
    op.create_index("ix_runs_finished_at", "runs", ["finished_at"], unique=False)
    op.create_index("ix_artifacts_digest", "artifacts", ["digest"], unique=False)
