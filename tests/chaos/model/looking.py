"""Reads what the scripts have written: records, and everything that names executions."""

from __future__ import annotations

from typing import Any

from tests.integration.store.conftest import Store

from helperhub.store.record import CODE_BY_STATUS, Record

WORKERS = ["w1", "w2"]
QUEUES = ["high", "default"]
HELPER = "tidy"
GROUPS = ["g1", "g2"]


def shown(record: Record) -> tuple[Any, ...]:
    """Return the places of a record that the model knows."""
    assert record.status in CODE_BY_STATUS.values()
    return (
        record.status, record.queue, record.attempt, record.delivery, record.lost, record.due_ms,
        record.expires_ms, record.enqueued_ms, record.started_ms, record.finished_ms, record.overlap,
    )  # fmt: skip


def read_places(store: Store) -> dict[str, Any]:
    """Return everything that names executions, in one round trip."""
    pipeline = store.client.pipeline(transaction=False)
    names: list[tuple[str, str]] = []

    def ask(kind: str, *parts: str) -> None:
        key = store.key(*parts)
        names.append((kind, ":".join(parts)))
        {
            "zset": lambda: pipeline.zrange(key, 0, -1),
            "set": lambda: pipeline.smembers(key),
            "hash": lambda: pipeline.hgetall(key),
            "list": lambda: pipeline.lrange(key, 0, -1),
            "stream": lambda: pipeline.xrange(key),
        }[kind]()

    for queue in QUEUES:
        ask("zset", "ready", queue)
        ask("zset", "suspects", queue)
        ask("zset", "delayed", queue)
        ask("stream", "ended", queue, "s")
        ask("stream", "ended", queue, "f")
    for worker in WORKERS:
        ask("hash", "held", worker)
    for group in GROUPS:
        ask("hash", "group", group)
    ask("zset", "parked", HELPER)
    ask("set", "active", HELPER)
    for name, kind in (("dead", "zset"), ("unlisted", "set"), ("cancel", "set"), ("workers", "zset")):
        ask(kind, name)
    ask("list", "of", HELPER, "s")
    ask("list", "of", HELPER, "f")
    answers = pipeline.execute()
    return {name: _read(kind, raw) for (kind, name), raw in zip(names, answers, strict=True)}


def _read(kind: str, raw: Any) -> Any:
    if kind == "hash":
        return {name.decode(): value.decode() for name, value in raw.items()}
    if kind == "list":
        return [name.decode() for name in raw]
    if kind == "stream":
        return [id_ for _, values in raw for id_ in values[b"i"].decode().split("\0")]
    return {name.decode() for name in raw}
