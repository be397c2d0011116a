"""Executions of which not all that was printed was kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("executions", sa.Column("log_incomplete", sa.Boolean(), nullable=False, server_default=sa.false()))
