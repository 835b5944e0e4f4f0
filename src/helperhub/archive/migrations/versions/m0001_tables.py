"""The first tables, their indexes, and views that show instants as the database writes them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, SmallInteger, Text, UniqueConstraint, text

revision = "0001"
down_revision = None

_OUTCOMES = ("success", "error", "expired", "cancelled", "skipped")
#: How many bytes of a payload or result are searched for words.
_WORDS = """
CREATE FUNCTION execution_words(reason text, error_type text, error_message text, payload text, result text)
RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT to_tsvector('pg_catalog.simple', reason || ' ' || coalesce(error_type, '') || ' ' || coalesce(error_message, '')
  || ' ' || left(coalesce(payload, ''), 8192) || ' ' || left(coalesce(result, ''), 8192))
$$
"""
_WORDS_INDEX = """
CREATE INDEX executions_by_word ON executions
USING gin (execution_words(reason, error_type, error_message, payload, result))
"""


def upgrade() -> None:
    """Make them."""
    _make_executions()
    _make_parts()
    _make_rollups()
    _make_the_rest()
    if op.get_context().dialect.name == "postgresql":
        op.execute(_WORDS)
        op.execute(_WORDS_INDEX)
    _make_views()


def _make_executions() -> None:
    op.create_table(
        "executions",
        Column("id", Text, nullable=False),
        Column("recorded_ms", BigInteger, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("helper", "instance", "queue", "status")),
        Column("priority", SmallInteger, nullable=False),
        Column("reason", Text, nullable=False),
        *(
            Column(f"{name}_ms", BigInteger)
            for name in ("planned", "due", "enqueued", "started", "finished", "expires")
        ),
        Column("attempt", Integer, nullable=False),
        Column("max_attempts", BigInteger, nullable=False),
        Column("delivery", Integer, nullable=False),
        Column("trigger", Text, nullable=False),
        Column("replay_of", Text),
        Column("unique_key", Text),
        Column("count", BigInteger, nullable=False),
        *(Column(name, Text) for name in ("payload", "result", "metadata", "error_type", "error_message")),
        PrimaryKeyConstraint("id", name="executions_by_id"),
    )
    op.create_index("executions_by_end", "executions", ["recorded_ms", "id"])
    op.create_index("executions_by_helper", "executions", ["helper", "recorded_ms"])
    op.create_index("executions_by_queue", "executions", ["queue", "recorded_ms"])
    failed = text("status <> 'success'")
    columns = ["status", "recorded_ms"]
    op.create_index("executions_by_status", "executions", columns, postgresql_where=failed, sqlite_where=failed)


def _make_parts() -> None:
    op.create_table(
        "attempts",
        Column("execution_id", Text, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("failed_ms", BigInteger, nullable=False),
        Column("recorded_ms", BigInteger, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("type", "message", "traceback")),
        PrimaryKeyConstraint("execution_id", "attempt", "failed_ms", name="attempts_by_execution"),
    )
    op.create_index("attempts_by_end", "attempts", ["recorded_ms"])
    op.create_table(
        "execution_metadata",
        Column("name", Text, nullable=False),
        Column("value", Text, nullable=False),
        Column("recorded_ms", BigInteger, nullable=False),
        Column("execution_id", Text, nullable=False),
        PrimaryKeyConstraint("name", "value", "recorded_ms", "execution_id", name="execution_metadata_by_value"),
    )
    op.create_index("execution_metadata_by_execution", "execution_metadata", ["execution_id"])


def _make_rollups() -> None:
    op.create_table(
        "rollups",
        Column("period", Text, nullable=False),
        Column("start_ms", BigInteger, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("helper", "instance", "queue")),
        *(Column(name, BigInteger, nullable=False) for name in _OUTCOMES),
        *(Column(name, BigInteger, nullable=False) for name in ("retries", "redeliveries", "waited_ms", "ran_ms")),
        *(Column(name, Text, nullable=False) for name in ("waits", "runs", "totals")),
        PrimaryKeyConstraint("period", "start_ms", "helper", "instance", "queue", name="rollups_by_period"),
    )
    op.create_index("rollups_by_helper", "rollups", ["helper", "period", "start_ms"])


def _make_the_rest() -> None:
    op.create_table(
        "audit",
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        Column("id", Text, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("action", "target", "who", "content", "digest")),
        UniqueConstraint("id", name="audit_by_id"),
    )
    op.create_index("audit_by_target", "audit", ["target", "number"])
    op.create_table(
        "places",
        Column("shard", Integer, nullable=False),
        Column("stream", Text, nullable=False),
        Column("place", Text, nullable=False),
        PrimaryKeyConstraint("shard", "stream", name="places_by_shard"),
    )
    op.create_table(
        "facts",
        Column("name", Text, nullable=False),
        Column("value", Text, nullable=False),
        PrimaryKeyConstraint("name", name="facts_by_name"),
    )


def _make_views() -> None:
    names = ("planned", "due", "enqueued", "started", "finished", "expires")
    at = ", ".join(f"{_instant(f'{name}_ms')} AS {name}_at" for name in names)
    op.execute(
        "CREATE VIEW executions_by_time AS SELECT id, helper, instance, queue, status, priority, reason, "
        f"{at}, attempt, max_attempts, delivery, trigger, replay_of, unique_key, count, payload, result, metadata, "
        "error_type, error_message FROM executions"
    )
    counts = ", ".join(_OUTCOMES)
    op.execute(
        f"CREATE VIEW rollups_by_time AS SELECT period, {_instant('start_ms')} AS start_at, helper, instance, queue, "
        f"{counts}, retries, redeliveries, waited_ms, ran_ms, totals FROM rollups"
    )


def _instant(column: str) -> str:
    if op.get_context().dialect.name == "postgresql":
        return f"to_timestamp({column} / 1000.0)"
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')"
