"""Executions that the archive has, for those who read Redis and archive as one."""

from __future__ import annotations

import binascii
import json
import logging
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from helperhub.errors import ArchiveError, ConfigurationError, CorruptRecord
from helperhub.model.execution import Execution
from helperhub.model.helper import split_key
from helperhub.model.instant import epoch_ms, from_ms, to_rfc3339
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.store.body import SEALED
from helperhub.store.record import ReadBody, Record
from helperhub.store.tail import read_place

if TYPE_CHECKING:
    from helperhub.archive.database import Database
    from helperhub.archive.search import Search
    from helperhub.archive.searching import Reader

_log = logging.getLogger("helperhub.archive")
_OUTCOMES = "ended"
#: After a failure the archive isn't asked for so long, s: whoever reads a list would wait for its timeout each time.
_PAUSE_S = 5.0
_FIRST, _MOST = 64, 500
Place = tuple[int, str]


class ArchiveState(StrEnum):
    """What the archive gave to an answer."""

    NONE = "none"
    """There is none, or nothing in it yet."""
    READ = "read"
    """What was recorded before its ``until`` comes from it."""
    AWAY = "away"
    """It can't be read: only what Redis has was looked at."""


@dataclass(frozen=True, slots=True)
class ArchiveView:
    """What the archive gave to an answer.

    Args:
        state: Whether it was read.
        until_ms: What was recorded before this is archived; None where it wasn't read.
        problem: Why it wasn't.
    """

    state: ArchiveState
    until_ms: int | None = None
    problem: str = ""

    def to_document(self) -> dict[str, Any]:
        """Return it as every face shows it."""
        until = None if self.until_ms is None else to_rfc3339(from_ms(self.until_ms))
        return {"state": self.state.value, "until": until, "problem": self.problem}


NO_ARCHIVE = ArchiveView(ArchiveState.NONE)


class Archived:
    """Reads the archive, if there is one that can be read.

    Args:
        database: Opens it; None where there is none on this machine.
        hub: Whose it must be.
        shards: How many the hub has.
        read_body: Reads what an execution was given, sealed or not.
    """

    def __init__(self, database: Callable[[], Database | None], hub: str, shards: int, read_body: ReadBody) -> None:
        """Use the archive; nothing connects yet."""
        self._database = database
        self._hub = hub
        self._shards = shards
        self._read_body = read_body
        self._reader: Reader | None = None
        self._problem = ""
        self._not_before = 0.0

    def view(self) -> ArchiveView:
        """Return whether the archive can be read, and up to when it has everything."""
        if time.monotonic() < self._not_before:
            return ArchiveView(ArchiveState.AWAY, problem=self._problem)
        try:
            reader = self._open()
            places = {} if reader is None else reader.places(_OUTCOMES)
        except (ArchiveError, ConfigurationError) as error:
            return self.away(error)
        self._problem = ""
        # A shard that nobody archives yet is whole in Redis.
        until_ms = min((read_place(place).ms for place in places.values()), default=0)
        if len(places) < self._shards or until_ms == 0:
            return NO_ARCHIVE
        return ArchiveView(ArchiveState.READ, until_ms)

    def away(self, error: ArchiveError | ConfigurationError) -> ArchiveView:
        """Note that the archive can't be read, and leave it alone for a while."""
        if not self._problem:
            _log.warning("archive_unreadable", extra={"error": str(error)})
        self._problem, self._not_before = str(error), time.monotonic() + _PAUSE_S
        return ArchiveView(ArchiveState.AWAY, problem=self._problem)

    def get(self, execution_id: str) -> tuple[Execution | None, ArchiveView]:
        """Return one execution, or None, and whether the archive could be asked."""
        view = self.view()
        if view.state is not ArchiveState.READ or self._reader is None:
            return None, view
        try:
            found = self._reader.get(execution_id)
        except ArchiveError as error:
            return None, self.away(error)
        return (None if found is None else self._shown(found)), view

    def rows(self, wanted: ExecutionFilter, before: Place) -> Iterator[tuple[Place, Execution | None]]:
        """Yield what is wanted behind a place, newest first.

        None instead of an execution is a pause: nothing more was found up to that place, to which the search has
        come after looking at much.

        Raises:
            ArchiveError: It is away, refuses, or took too long.
        """
        reader, search, size = self._open(), _search_of(wanted), _FIRST
        at: Place | None = before
        while reader is not None and at is not None:
            found = reader.search(search, before=at, limit=size)
            for place, execution in found.rows:
                yield place, self._shown(execution)
            at = found.following
            if at is not None and len(found.rows) < size:
                yield at, None
            size = min(size * 2, _MOST)

    def _open(self) -> Reader | None:
        if self._reader is None:
            database = self._database()
            if database is None:
                return None
            # SQLAlchemy only where there is an archive.
            from helperhub.archive.searching import Reader  # noqa: PLC0415
            from helperhub.archive.upgrade import check  # noqa: PLC0415

            check(database, hub=self._hub)
            self._reader = Reader(database)
        return self._reader

    def _shown(self, execution: Execution) -> Execution:
        """Return an execution with what it was given, where that was archived as it was sealed."""
        payload = execution.payload
        if not isinstance(payload, dict) or set(payload) != {SEALED}:
            return execution
        try:
            body = b64decode(str(payload[SEALED]), validate=True)
        except binascii.Error:
            # Somebody's own name for something of his.
            return execution
        record = Record(
            helper=execution.helper,
            queue=execution.queue,
            trigger=execution.trigger.value,
            planned_ms=epoch_ms(execution.planned_at) if execution.planned_at else 0,
            metadata=json.dumps(dict(execution.metadata)).encode(),
            body=body,
        )
        try:
            return replace(execution, payload=self._read_body(execution.id, record).payload)
        except CorruptRecord as error:
            return replace(execution, payload={"unreadable": error.message})


def _search_of(wanted: ExecutionFilter) -> Search:
    from helperhub.archive.search import Search  # noqa: PLC0415 - as above

    helper, instance = (None, None) if wanted.helper is None else split_key(wanted.helper)
    return Search(
        helper=helper,
        instance=instance,
        statuses=frozenset(one for one in wanted.statuses if one.final),
        queue=wanted.queue,
        since_ms=None if wanted.since is None else epoch_ms(wanted.since),
        until_ms=None if wanted.until is None else epoch_ms(wanted.until),
        metadata=wanted.metadata or {},
        terms=wanted.terms,
    )


__all__ = ["NO_ARCHIVE", "ArchiveState", "ArchiveView", "Archived"]
