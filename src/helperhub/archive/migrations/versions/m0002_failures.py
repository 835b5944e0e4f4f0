"""Indexes of what a helper or a queue didn't end well: that is little among all that it did."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make them."""
    failed = text("status <> 'success'")
    for of in ("helper", "queue"):
        columns = [of, "status", "recorded_ms"]
        name = f"executions_by_{of}_failure"
        op.create_index(name, "executions", columns, postgresql_where=failed, sqlite_where=failed)
