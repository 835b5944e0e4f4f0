"""How far the archive has taken over what ended in a shard, as its archiver says in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from helperhub.model.execution import AttemptError
from helperhub.store.connection import store_errors
from helperhub.store.record import read_error
from helperhub.store.scripts import Scripts

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Archived:
    """What an archiver has said last.

    Args:
        until_ms: All that was recorded before this is archived.
        at_ms: When he said so, by Redis TIME.
        audit: Number and digest of the last entry of the audit trail that he archived; empty if there is none.
    """

    until_ms: int
    at_ms: int
    audit: str


def read_archived(scripts: Scripts) -> Archived | None:
    """Return what the archiver of this shard said last; None if there never was one.

    Raises:
        StoreError: Redis is away, or refuses.
    """
    with store_errors():
        until, at, audit = scripts.client.hmget(scripts.keys.at("archived"), ["until", "at", "audit"])
    return None if at is None else Archived(int(until or 0), int(at), (audit or b"").decode())


def dead_since(scripts: Scripts, since_ms: int, until_ms: int) -> tuple[list[tuple[str, int]], int]:
    """Return dead letters (id, given up at ms) from one ms on and before another, oldest first, and how far that goes.

    It may stop before ``until_ms``, and does if there are many: read on from the ms that it returns.

    Raises:
        StoreError: Redis is away, or refuses.
    """
    count = _CHUNK
    while True:
        with store_errors():
            found = scripts.client.zrange(
                scripts.keys.at("dead"), since_ms, f"({until_ms}", byscore=True, withscores=True, offset=0, num=count
            )
        rows = [(raw.decode(), int(score)) for raw, score in found]
        if len(rows) < count:
            return rows, until_ms
        # The last ms may go on behind what was read.
        whole = [row for row in rows if row[1] < rows[-1][1]]
        if whole:
            return whole, rows[-1][1]
        count *= 10


def dropped_attempts(scripts: Scripts) -> list[tuple[str, str, AttemptError]]:
    """Return errors that records had no room for, oldest first: id of the entry and of the execution, the error.

    Raises:
        StoreError: Redis is away, or refuses.
    """
    with store_errors():
        rows = scripts.client.xrange(scripts.keys.at("attempts"), count=_CHUNK)
    return [
        (raw_id.decode(), fields[b"i"].decode(errors="replace"), error)
        for raw_id, fields in rows
        if (error := read_error(fields.get(b"e", b""))) is not None
    ]


def forget_attempts(scripts: Scripts, until: str) -> None:
    """Take these errors out up to the entry of this id: the archive has them.

    Raises:
        StoreError: Redis is away, or refuses.
    """
    with store_errors():
        rows = scripts.client.xrange(scripts.keys.at("attempts"), max=until, count=_CHUNK)
        if rows:
            scripts.client.xdel(scripts.keys.at("attempts"), *(raw_id for raw_id, _ in rows))


def audit_since(scripts: Scripts, after: str) -> Iterator[tuple[str, bytes]]:
    """Yield id and content (JSON) of the audit trail's entries behind the one with this id, oldest first.

    Raises:
        StoreError: Redis is away, or refuses.
    """
    while True:
        with store_errors():
            rows = scripts.client.xrange(scripts.keys.at("audit"), f"({after}", "+", count=_CHUNK)
        for raw_id, fields in rows:
            after = raw_id.decode()
            yield after, fields.get(b"e", b"{}")
        if len(rows) < _CHUNK:
            return


def count_unarchived(scripts: Scripts) -> int:
    """Return how many executions left Redis for want of memory before they were archived.

    Raises:
        StoreError: Redis is away, or refuses.
    """
    with store_errors():
        return int(scripts.client.hget(scripts.keys.at("history"), "unarchived") or 0)
