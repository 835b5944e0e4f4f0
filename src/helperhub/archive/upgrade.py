"""Bringing an archive's tables up to this release, by the migrations that it ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

from helperhub.archive import tables
from helperhub.archive.database import Database, make_file
from helperhub.errors import ArchiveError, ConfigurationError

#: Alembic's own table in the archive.
VERSION_TABLE = "helperhub_version"
#: Only one may upgrade at a time: a number by chance that PostgreSQL locks for us.
_LOCK = 7_305_164_821


def upgrade(database: Database, *, hub: str) -> tuple[str | None, str]:
    """Bring the tables up to this release; return the revision before, None for a new archive, and the one now.

    Any number of processes may try at once. Nothing is changed if it fails.

    Args:
        database: The archive's.
        hub: Whose archive it is to be.

    Raises:
        ConfigurationError: It is another hub's archive, or a newer release's.
        ArchiveError: The database refuses, or is away.
    """
    if database.path is not None:
        make_file(database.path)
    with database.write() as connection:
        if database.is_postgres:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        before = _revision(connection)
        _refuse_newer(before)
        _migrate(connection)
        _claim(connection, hub)
        return before, str(_revision(connection))


def check(database: Database, *, hub: str) -> None:
    """Refuse an archive that isn't set up for this release, or is another hub's.

    Raises:
        ConfigurationError: It is another hub's, or a newer release's.
        ArchiveError: It isn't set up, or not for this release, or can't be reached.
    """
    if database.path is not None and not database.path.exists():
        message = f"There is no archive at {database.path} yet."
        raise ArchiveError(message, hint="'helperhub up' makes it, or 'helperhub db upgrade'.")
    with database.read() as connection:
        revision = _revision(connection)
        _refuse_newer(revision)
        if revision != newest():
            message = f"The archive {database} has revision {revision or 'none'}; this release needs {newest()}."
            raise ArchiveError(message, hint="Run 'helperhub db upgrade'.")
        _check_owner(connection, hub)


def newest() -> str:
    """Return the revision that this release brings."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _migrate(connection: Connection) -> None:
    config = _config()
    script = ScriptDirectory.from_config(config)
    # As Alembic's own command does, but on this connection and in its transaction.
    steps = lambda revision, _: script._upgrade_revs("head", revision)  # noqa: E731, SLF001
    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _refuse_newer(revision: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        message = f"The archive has revision {revision}, which this release doesn't know."
        raise ConfigurationError(message, hint="Install the release that the hub's other processes run.")


def _claim(connection: Connection, hub: str) -> None:
    found = _owner(connection)
    if found is None:
        connection.execute(tables.facts.insert().values(name="hub", value=hub))
    else:
        _check_owner(connection, hub)


def _check_owner(connection: Connection, hub: str) -> None:
    found = _owner(connection)
    if found not in (None, hub):
        message = f"The archive is of the hub '{found}', not of '{hub}'."
        raise ConfigurationError(message, hint="Give each hub a database of its own: HELPERHUB_DATABASE_URL.")


def _owner(connection: Connection) -> Any:
    if not inspect(connection).has_table(tables.facts.name):
        return None
    return connection.execute(select(tables.facts.c.value).where(tables.facts.c.name == "hub")).scalar()


__all__ = ["VERSION_TABLE", "check", "newest", "upgrade"]
