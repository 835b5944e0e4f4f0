"""An index of what a helper didn't end well: a helper's failures are few among all that it did."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make it."""
    failed = text("status <> 'success'")
    columns = ["helper", "status", "recorded_ms"]
    op.create_index("executions_by_failure", "executions", columns, postgresql_where=failed, sqlite_where=failed)
