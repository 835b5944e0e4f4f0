"""The audit trail in the archive: each entry holds a digest of itself and the one before, so that none can be changed.

Who can write to the database can make a whole chain anew; so the archiver notes the last digest in Redis as well,
and `verify` compares the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, select

from helperhub.archive import tables
from helperhub.archive.database import Database

_CHUNK = 1000
#: What the first entry's digest follows.
BEGIN = hashlib.sha256(b"helperhub audit").hexdigest()


@dataclass(frozen=True, slots=True)
class Link:
    """The end of the chain.

    Args:
        number: Of the last entry, counted from 1; 0 where there is none.
        digest: Its digest.
        id: Its id in Redis.
    """

    number: int
    digest: str
    id: str

    def __str__(self) -> str:
        """Return it as Redis holds it."""
        return f"{self.number} {self.digest}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look through the chain has found.

    Args:
        entries: How many entries it looked through.
        digest: The last entry's.
        broken: The number of the first entry that doesn't follow from the one before; None if all do.
        why: What is wrong with it.
    """

    entries: int
    digest: str
    broken: int | None = None
    why: str = ""


class AuditChain:
    """The trail in one archive."""

    def __init__(self, database: Database) -> None:
        """Use ``database``."""
        self.database = database

    def last(self) -> Link:
        """Return the end of the chain.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        with self.database.read() as connection:
            return _last(connection)

    def add(self, entries: Sequence[tuple[str, bytes]], *, after: Link) -> Link | None:
        """Append entries (id, content as JSON), and return the new end; None if another has appended meanwhile.

        Raises:
            ArchiveError: The database is away, or refuses; nothing was added.
        """
        rows = []
        link = after
        for id_, raw in entries:
            content = raw.decode(errors="replace").replace("\0", "\ufffd")
            link = Link(link.number + 1, digest_of(link.digest, id_, content), id_)
            rows.append(_row(link, content))
        with self.database.write() as connection:
            if self.database.is_postgres:
                connection.exec_driver_sql("LOCK TABLE audit IN EXCLUSIVE MODE")
            if _last(connection).number != after.number:
                return None
            connection.execute(tables.audit.insert(), rows)
        return link

    def verify(self) -> Verdict:
        """Look through the whole chain.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        number, digest = 0, BEGIN
        for row in self._rows():
            number += 1
            if row.number != number:
                return Verdict(number - 1, digest, number, "it is missing")
            digest = digest_of(digest, row.id, row.content)
            if row.digest != digest:
                return Verdict(number - 1, digest, number, "it or one before it was changed")
        return Verdict(number, digest)

    def digest_at(self, number: int) -> str | None:
        """Return the digest of an entry, or None.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        query = select(tables.audit.c.digest).where(tables.audit.c.number == number)
        with self.database.read() as connection:
            return connection.execute(query).scalar()

    def newest_first(self, *, before: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield id and content of every entry, newest first; with ``before`` only those older than this id.

        Raises:
            ArchiveError: The database is away, or refuses.
        """
        table = tables.audit
        number = None
        if before is not None:
            ms, _, rank = before.partition("-")
            number = self._number_before(int(ms), int(rank or 0))
        while True:
            query = select(table.c.number, table.c.id, table.c.content).order_by(table.c.number.desc()).limit(_CHUNK)
            with self.database.read() as connection:
                rows = connection.execute(query if number is None else query.where(table.c.number < number)).all()
            for row in rows:
                yield row.id, _content(row.content)
            if len(rows) < _CHUNK:
                return
            number = rows[-1].number

    def _number_before(self, ms: int, rank: int) -> int:
        """Return the number of the first entry that isn't older than an id."""
        table = tables.audit
        query = select(table.c.number, table.c.id).where(table.c.at_ms >= ms).order_by(table.c.number)
        with self.database.read() as connection:
            for row in connection.execute(query):
                at, _, its_rank = row.id.partition("-")
                if (int(at), int(its_rank)) >= (ms, rank):
                    return int(row.number)
            return _last(connection).number + 1

    def _rows(self) -> Iterator[Any]:
        table, number = tables.audit, 0
        while True:
            query = select(table).where(table.c.number > number).order_by(table.c.number).limit(_CHUNK)
            with self.database.read() as connection:
                rows = connection.execute(query).all()
            yield from rows
            if len(rows) < _CHUNK:
                return
            number = rows[-1].number


def digest_of(before: str, id_: str, content: str) -> str:
    """Return an entry's digest: SHA-256 over that of the one before, its id and its content, a line each."""
    return hashlib.sha256(f"{before}\n{id_}\n{content}".encode(errors="replace")).hexdigest()


def _last(connection: Connection) -> Link:
    table = tables.audit
    query = select(table.c.number, table.c.digest, table.c.id).order_by(table.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return Link(0, BEGIN, "0-0") if row is None else Link(row.number, row.digest, row.id)


def _row(link: Link, content: str) -> dict[str, Any]:
    known = _content(content)
    return {
        "number": link.number,
        "id": link.id,
        "at_ms": int(link.id.partition("-")[0]),
        "action": str(known.get("action", "")),
        "target": str(known.get("target", "")),
        "who": str(known.get("who", "")),
        "content": content,
        "digest": link.digest,
    }


def _content(text: str) -> dict[str, Any]:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"action": "unreadable"}
    return content if isinstance(content, dict) else {"action": "unreadable"}


__all__ = ["AuditChain", "Link", "Verdict", "digest_of"]
