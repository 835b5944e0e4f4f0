"""The archive's tables, as the newest migration leaves them.

| table              | a row is                                                        | lifetime |
|--------------------|-----------------------------------------------------------------|----------|
| executions         | one execution that came to its end                              | till cleaned up |
| attempts           | one attempt that failed, of those executions                    | with the execution |
| execution_metadata | one name and value that a caller gave with an execution         | with the execution |
| rollups            | counts and times of a helper in a queue: of an hour, day, week  | hours 90 days, or for ever |
| audit              | who did what; each entry holds the digest of the one before     | for ever |
| places             | how far a shard's outcomes have been read, in the same commit   | for ever |
| facts              | whose archive this is                                           | for ever |

Instants are ms since 1970 UTC (``_ms``); the views ``executions_by_time`` and ``rollups_by_time`` show
them as the database writes times. ``recorded_ms`` orders executions: when Redis recorded the end, which is
``finished_ms`` unless a server's clock ran back. Texts that hold JSON are named in `ROW_JSON`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

executions = Table(
    "executions",
    metadata,
    Column("id", Text, nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
    Column("helper", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("planned_ms", BigInteger),
    Column("due_ms", BigInteger),
    Column("enqueued_ms", BigInteger),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("expires_ms", BigInteger),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", BigInteger, nullable=False),
    Column("delivery", Integer, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("replay_of", Text),
    Column("unique_key", Text),
    Column("count", BigInteger, nullable=False),
    Column("payload", Text),
    Column("result", Text),
    Column("metadata", Text),
    Column("error_type", Text),
    Column("error_message", Text),
    PrimaryKeyConstraint("id", name="executions_by_id"),
    Index("executions_by_end", "recorded_ms", "id"),
    Index("executions_by_helper", "helper", "recorded_ms"),
    Index("executions_by_queue", "queue", "recorded_ms"),
)
#: Most end well; an index of all by status would be one by time.
for _name, _of in (("status", ()), ("helper_failure", ("helper",)), ("queue_failure", ("queue",))):
    Index(
        f"executions_by_{_name}",
        *(executions.c[name] for name in (*_of, "status", "recorded_ms")),
        postgresql_where=executions.c.status != "success",
        sqlite_where=executions.c.status != "success",
    )

attempts = Table(
    "attempts",
    metadata,
    Column("execution_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failed_ms", BigInteger, nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("traceback", Text, nullable=False),
    PrimaryKeyConstraint("execution_id", "attempt", "failed_ms", name="attempts_by_execution"),
    Index("attempts_by_end", "recorded_ms"),
)

execution_metadata = Table(
    "execution_metadata",
    metadata,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
    Column("execution_id", Text, nullable=False),
    PrimaryKeyConstraint("name", "value", "recorded_ms", "execution_id", name="execution_metadata_by_value"),
    Index("execution_metadata_by_execution", "execution_id"),
)

#: The ends that are counted, in the order in which they are shown.
OUTCOMES = ("success", "error", "expired", "cancelled", "skipped")

rollups = Table(
    "rollups",
    metadata,
    Column("period", Text, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("helper", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("queue", Text, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in OUTCOMES),
    Column("retries", BigInteger, nullable=False),
    Column("redeliveries", BigInteger, nullable=False),
    Column("waited_ms", BigInteger, nullable=False),
    Column("ran_ms", BigInteger, nullable=False),
    Column("waits", Text, nullable=False),
    Column("runs", Text, nullable=False),
    Column("totals", Text, nullable=False),
    PrimaryKeyConstraint("period", "start_ms", "helper", "instance", "queue", name="rollups_by_period"),
    Index("rollups_by_helper", "helper", "period", "start_ms"),
)

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("digest", Text, nullable=False),
    UniqueConstraint("id", name="audit_by_id"),
    Index("audit_by_target", "target", "number"),
)

places = Table(
    "places",
    metadata,
    Column("shard", Integer, nullable=False),
    Column("stream", Text, nullable=False),
    Column("place", Text, nullable=False),
    PrimaryKeyConstraint("shard", "stream", name="places_by_shard"),
)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("name", name="facts_by_name"),
)

#: Columns of `executions` that hold JSON.
ROW_JSON = ("payload", "result", "metadata")
