"""What a backup consists of: rows, each a part of one key or one execution, and their digest.

A row says what a key holds by its type and not as DUMP does, whose bytes only servers of about one age can read.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from helperhub.errors import CorruptRecord
from helperhub.store.record import FORMAT, NUMBERS_BYTES, pack, pack_record, unpack_record

#: Kinds of keys that aren't in a backup: what belongs to processes or browsers, and what follows from the executions.
LEFT_OUT = frozenset(
    {
        *("ready", "suspects", "delayed", "parked", "active", "ended", "of"),
        *("helpers", "keys", "limited", "blocked", "throttled", "expiring", "waits"),
        *("using", "perkey", "inhand", "perqueue"),
        *("workers", "worker", "held", "idle", "bell", "schedulers", "lost", "stopped", "draining", "progress", "log"),
        *("unlisted", "synced", "shards", "meta", "undo", "undorows", "apart"),
        # Whoever finds an old backup, or tries one out elsewhere, is nobody's session.
        *("session", "login"),
    }
)
#: Kinds that a backup has, but not as they stand: see `store.backup`.
OWN_WAY = frozenset(
    {"x", "dead", "untold", "uncalled", "cancel", "catalogue", "overrides", "planned", "plan", "marks", "rev"}
)
#: Counters of what waits: they are counted anew.
GAUGES = frozenset({b"enqueued", b"parked", b"limited"})
#: What every script moves on, and what is carried out when all is back.
_UNSTEADY = frozenset({b"clock", b"cancel"})
OPEN, ENDED = "open", "ended"
#: Items of one row at most, so that no row is large.
CHUNK = 1000
_DIGEST_BYTES = 16
_MASK = (1 << (8 * _DIGEST_BYTES)) - 1
_TIMES = struct.Struct("<IHIHIHIHIHIH")
_LENGTH = struct.Struct("<I")


class Row(NamedTuple):
    """A part of one key, or one execution.

    Args:
        shard: Its shard's number.
        kind: ``string``, ``hash``, ``set``, ``zset``, ``list`` or ``stream``; ``open`` for an execution that isn't
            over, ``ended`` for one that is.
        name: The key without the shard's prefix; the execution's id.
        expires_ms: When the key's lifetime ends, epoch ms; 0 means never.
        at: Items of the key that are in rows before this one.
        items: A string's value; a hash's pairs; a set's members; a zset's pairs of member and score; a list's values;
            a stream's pairs of id and flat fields; an execution's packed record.
    """

    shard: int
    kind: str
    name: bytes
    expires_ms: int
    at: int
    items: list[Any]

    @property
    def key_kind(self) -> str:
        """The kind of key, as `store.keys` lists them; ``x`` for an execution."""
        return "x" if self.kind in (OPEN, ENDED) else self.name.partition(b":")[0].decode(errors="replace")


class Head(NamedTuple):
    """What a record says in front; times are epoch ms, 0 where there is none."""

    status: str
    enqueued_ms: int
    finished_ms: int
    helper: bytes
    queue: bytes
    fixed_end: int


def read_head(raw: bytes) -> Head:
    """Return what stands at the beginning of a packed record.

    Raises:
        CorruptRecord: It can't be decoded, or has the format of an older release (`renew_format`).
    """
    if raw[:1] != FORMAT or len(raw) < NUMBERS_BYTES:
        message = f"A record begins with {raw[:1]!r}."
        raise CorruptRecord(message)
    _, _, e0, e1, _, _, _, _, f0, f1, _, _ = _TIMES.unpack_from(raw, 20)
    names, at = [], NUMBERS_BYTES
    try:
        for _ in range(5):
            end = at + 1 + raw[at]
            names.append(raw[at + 1 : end])
            at = end
        end = at + 4 + _LENGTH.unpack_from(raw, at)[0]
    except (IndexError, struct.error) as error:
        message = "A record is cut off."
        raise CorruptRecord(message) from error
    if end > len(raw):
        message = "A record is cut off."
        raise CorruptRecord(message)
    return Head(chr(raw[1]), e0 | e1 << 32, f0 | f1 << 32, names[0], names[1], end)


def renew_format(raw: bytes) -> bytes:
    """Return a record in the present format; as it is if it can't be read, or has that."""
    if raw[:1] == FORMAT:
        return raw
    try:
        return pack_record(unpack_record(raw))
    except CorruptRecord:
        return raw


def chunked(shard: int, kind: str, name: bytes, expires_ms: int, items: list[Any]) -> Iterator[Row]:
    """Yield the rows of one key."""
    for at in range(0, len(items), CHUNK):
        yield Row(shard, kind, name, expires_ms, at, items[at : at + CHUNK])


def weigh(rows: Iterable[Row]) -> int:
    """Return the digest of ``rows``, whatever order they come in.

    What must change between a backup and what was restored from it doesn't count: keys that end by themselves,
    counters of what waits, how far an open execution had come.
    """
    total = 0
    for row in rows:
        total = (total + sum(_weigh_row(row))) & _MASK
    return total


def _weigh_row(row: Row) -> Iterator[int]:
    if row.expires_ms or row.name in _UNSTEADY:
        return
    if row.kind == OPEN:
        yield _hash(row, 0, _constant_part(row.items[0]))
        return
    ordered = row.kind in ("list", "stream")
    for offset, item in enumerate(row.items):
        if row.key_kind != "count" or item[0] not in GAUGES:
            yield _hash(row, row.at + offset if ordered else 0, item)


def _hash(row: Row, at: int, item: Any) -> int:
    packed = pack([row.shard, row.kind, row.name, at, item])
    return int.from_bytes(hashlib.blake2b(packed, digest_size=_DIGEST_BYTES).digest(), "big")


def _constant_part(raw: bytes) -> bytes:
    """Return what no state of an execution changes: priority, due and planned time, names, what it was given."""
    try:
        end = read_head(raw).fixed_end
    except CorruptRecord:
        return raw
    return raw[6:7] + raw[20:26] + raw[50:end]
