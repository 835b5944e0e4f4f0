"""Runs migrations on the connection that `upgrade` holds, in its transaction."""

from __future__ import annotations

from alembic import context

from helperhub.archive import tables
from helperhub.archive.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
