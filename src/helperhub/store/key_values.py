"""Whole keys by their type: read into rows of a backup, and written from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from helperhub.store.backup_rows import CHUNK, GAUGES, Row, chunked
from helperhub.store.keys import Keys

_BATCH = 200


def read_values(node: Any, keys: Keys, names: Sequence[bytes]) -> Iterator[Row]:
    """Yield what these keys hold; one that is gone meanwhile yields nothing.

    Args:
        node: The server that has them.
        keys: Their shard.
        names: Without the shard's prefix.
    """
    prefix = keys.at("").encode()
    for start in range(0, len(names), _BATCH):
        some = names[start : start + _BATCH]
        pipeline = node.pipeline(transaction=False)
        for name in some:
            pipeline.type(prefix + name)
        kinds = [kind.decode() for kind in pipeline.execute()]
        pipeline = node.pipeline(transaction=True)
        pipeline.time()
        readable = [(name, kind) for name, kind in zip(some, kinds, strict=True) if kind in _READ]
        for name, kind in readable:
            pipeline.pttl(prefix + name)
            _READ[kind](pipeline, prefix + name)
        (seconds, micros), *answers = pipeline.execute(raise_on_error=False)
        now_ms = seconds * 1000 + micros // 1000
        for (name, kind), ttl, value in zip(readable, answers[::2], answers[1::2], strict=True):
            # An error: it became another type of key between two calls, so it is a new one.
            if value and not isinstance(value, Exception):
                expires_ms = now_ms + ttl if ttl >= 0 else 0
                yield from chunked(keys.shard, kind, name, expires_ms, _keep(name, _items(kind, value), expires_ms))
        for name, kind in zip(some, kinds, strict=True):
            if kind == "stream":
                yield from _read_stream(node, keys, name)


_READ: dict[str, Any] = {
    "string": lambda pipeline, key: pipeline.get(key),
    "hash": lambda pipeline, key: pipeline.hgetall(key),
    "set": lambda pipeline, key: pipeline.smembers(key),
    "zset": lambda pipeline, key: pipeline.zrange(key, 0, -1, withscores=True),
    "list": lambda pipeline, key: pipeline.lrange(key, 0, -1),
}


def _items(kind: str, value: Any) -> list[Any]:
    match kind:
        case "string":
            return [value]
        case "hash":
            return [list(pair) for pair in value.items()]
        case "zset":
            return [list(pair) for pair in value]
        case _:
            return list(value)


def _keep(name: bytes, items: list[Any], expires_ms: int) -> list[Any]:
    """Return what of a key belongs in a backup."""
    if name == b"paused":
        return [member for member in items if not member.startswith(b"worker:")]
    if name == b"history":
        return [pair for pair in items if pair[0] == b"complete_since_ms"]
    # Held till its execution ends: who holds it follows from the executions.
    if name.startswith(b"unique:") and not expires_ms:
        return []
    return items


def _read_stream(node: Any, keys: Keys, name: bytes) -> Iterator[Row]:
    key, after, at = keys.at("").encode() + name, "-", 0
    while entries := node.xrange(key, after, "+", count=CHUNK):
        items = [[id_, [part for pair in fields.items() for part in pair]] for id_, fields in entries]
        yield Row(keys.shard, "stream", name, 0, at, items)
        after, at = f"({entries[-1][0].decode()}", at + len(items)


def write_row(pipeline: Any, keys: Keys, row: Row) -> None:
    """Queue the commands that bring back what a row holds."""
    key = keys.at("").encode() + row.name
    match row.kind:
        case "string":
            pipeline.set(key, row.items[0])
        case "hash":
            pairs = _counters(row.items) if row.key_kind == "count" else dict(row.items)
            if pairs:
                pipeline.hset(key, mapping=pairs)
        case "set":
            pipeline.sadd(key, *row.items)
        case "zset":
            pipeline.zadd(key, dict(row.items))
        case "list":
            pipeline.rpush(key, *row.items)
        case "stream":
            for id_, parts in row.items:
                pipeline.xadd(key, dict(zip(parts[::2], parts[1::2], strict=True)), id=id_)
        case unknown:
            message = f"a row of kind '{unknown}'"
            raise ValueError(message)
    if row.expires_ms:
        pipeline.pexpireat(key, row.expires_ms)


def _counters(items: Sequence[Any]) -> dict[bytes, bytes]:
    """Return a queue's counters without what is open, which is counted again as it comes back."""
    found = {field: value for field, value in items if field not in GAUGES}
    return {**found, b"enqueued": found[b"ended"]} if b"ended" in found else found
