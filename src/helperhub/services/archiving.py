"""Taking over what ended from Redis into the archive: in batches, without a gap, nothing twice.

How far it has come stands in the archive, in the same commit as what it took over; Redis is told
afterwards, so that its history goes no sooner. Any number of archivers may run: of each step, one wins.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from helperhub.archive.audit import AuditChain
from helperhub.archive.rows import Ended
from helperhub.archive.writing import Writer
from helperhub.errors import ArchiveError, StoreError
from helperhub.store.archived import audit_since, dead_since, dropped_attempts, forget_attempts
from helperhub.store.executions import Executions
from helperhub.store.scripts import Scripts
from helperhub.store.tail import Ended as EndedId
from helperhub.store.tail import Place, Tail, read_place

_log = logging.getLogger("helperhub.archive")
#: Executions in one commit, at most.
BATCH = 5000
#: Records read from Redis at once: it does nothing else meanwhile.
_READ = 500
#: Of an idle hub the archive notes how far it was read no more often.
_NOTE_MS = 60_000
#: Dead letters are looked through no more often, and not before their own end had its turn.
_STRAYS_MS = 5000
#: After a failure it is tried again after so long at first, and at most, seconds.
_FIRST_PAUSE_S = 0.5
_LAST_PAUSE_S = 10.0
#: A millisecond isn't over yet: looked at again after so long, seconds.
_TICK_S = 0.001
_OUTCOMES = "ended"
_STRAYS = "dead"


@dataclass(slots=True)
class ShardArchiver:
    """Takes over what ends in one shard.

    Args:
        number: The shard's.
        scripts: Its scripts.
        tail: Its outcomes, for nobody else.
        records: Its executions as they are archived.
        writer: The archive.
    """

    number: int
    scripts: Scripts
    tail: Tail
    records: Executions
    writer: Writer
    #: What the archive says; None before it was asked.
    _written: str | None = None
    _known: bool = False
    _at: Place = field(default_factory=lambda: Place(0))
    _strays_ms: int = 0

    @property
    def place(self) -> Place:
        """Behind all that has been taken over."""
        return self._at

    def advance(self) -> int:
        """Take over the next batches; return how many executions that were.

        Raises:
            StoreError: Redis is away.
            ArchiveError: The archive is away; nothing is lost, the next call begins where this one did.
        """
        try:
            if not self._known:
                self._written = self.writer.place(self.number, _OUTCOMES)
                self._at, self._known = read_place(self._written or "0"), True
            ended, place = self.tail.read(self._at)
            for start in range(0, len(ended), BATCH):
                part = ended[start : start + BATCH]
                self._take(part, part[-1].place if start + BATCH < len(ended) else place)
            if not ended and place.ms >= read_place(self._written or "0").ms + _NOTE_MS:
                self._take([], place)
            self._at = place
            taken = len(ended) + self._take_strays(place.ms) + self._take_attempts()
            self.scripts.note_archived(until_ms=place.ms)
        except _Overtaken:
            self._known = False
            return 0
        except ArchiveError:
            # Whether a commit whose answer was lost has come through, only the archive knows.
            self._known = False
            raise
        return taken

    def _take(self, ended: Sequence[EndedId], place: Place) -> None:
        after = str(place)
        if not self.writer.write(self.number, _OUTCOMES, self._written, after, self._load(ended)):
            raise _Overtaken
        self._written, self._at = after, place

    def _take_strays(self, now_ms: int) -> int:
        """Take over the dead letters that have no place among the outcomes: those whose records were damaged."""
        until_ms = now_ms - _STRAYS_MS
        if until_ms < self._strays_ms:
            return 0
        before = self.writer.place(self.number, _STRAYS)
        dead, end_ms = dead_since(self.scripts, int(before or 0), until_ms)
        self._strays_ms = end_ms + _STRAYS_MS if end_ms == until_ms else 0
        missing = set(self.writer.missing([id_ for id_, _ in dead])) if dead else set()
        strays = [EndedId(Place(ms), id_) for id_, ms in dead if id_ in missing]
        if dead and not self.writer.write(self.number, _STRAYS, before, str(end_ms), self._load(strays)):
            raise _Overtaken
        return len(strays)

    def _take_attempts(self) -> int:
        """Take over errors that records had no room for."""
        found = dropped_attempts(self.scripts)
        if found:
            self.writer.add_attempts([(id_, int(entry.partition("-")[0]), error) for entry, id_, error in found])
            forget_attempts(self.scripts, found[-1][0])
        return len(found)

    def _load(self, ended: Sequence[EndedId]) -> list[Ended]:
        found = []
        for start in range(0, len(ended), _READ):
            part = ended[start : start + _READ]
            known = {one.id: one for one in self.records.get_many([each.id for each in part])}
            found += [
                Ended(each.place.ms, known[each.id])
                for each in part
                # One whose id was used again meanwhile isn't over; one that was deleted isn't there.
                if each.id in known and known[each.id].status.final
            ]
        if len(found) < len(ended):
            _log.warning("archive_missed", extra={"shard": self.number, "missed": len(ended) - len(found)})
        return found


@dataclass(slots=True)
class AuditArchiver:
    """Takes over the audit trail.

    Args:
        scripts: Those of shard 0.
        chain: The trail in the archive.
    """

    scripts: Scripts
    chain: AuditChain

    def advance(self) -> int:
        """Take over the next entries; return how many.

        Raises:
            StoreError: Redis is away.
            ArchiveError: The archive is away.
        """
        last = self.chain.last()
        entries = list(islice(audit_since(self.scripts, last.id), BATCH))
        if not entries:
            return 0
        link = self.chain.add(entries, after=last)
        if link is None:
            return 0
        self.scripts.note_archived(audit=str(link))
        return len(entries)


class _Overtaken(Exception):
    """Another archiver has been there."""


class Archiver:
    """Takes over what ends in all shards, and the audit trail, until it is stopped."""

    def __init__(self, shards: Sequence[ShardArchiver], audit: AuditArchiver, *, every: timedelta) -> None:
        """Take over from these shards.

        Args:
            shards: The hub's.
            audit: The trail's.
            every: How often to look where nothing is left over.
        """
        self._shards = tuple(shards)
        self._works = {f"shard {one.number}": one.advance for one in shards} | {"audit": audit.advance}
        self._every_s = every.total_seconds()
        self._failing: dict[str, float] = {}
        self._stop = threading.Event()

    def run(self) -> None:
        """Work until `stop`."""
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            busy = [self._try(name) for name in self._works]
            pause_s = 0.0 if any(busy) else max([self._every_s, *self._failing.values()])
        # What ended last, before whoever waits for this process goes on.
        try:
            self.advance()
        except (StoreError, ArchiveError) as error:
            _log.warning("archive_delayed", extra={"work": "stop", "error": str(error)})

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stop.set()

    def advance(self) -> int:
        """Take over what there is by now; return how many executions and entries.

        Raises:
            HelperHubError: Redis or the archive is away.
        """
        taken = 0
        ends = [(shard, shard.tail.now().ms) for shard in self._shards]
        taken_now = 0
        while ends or taken_now:
            taken_now = sum(work() for work in self._works.values())
            taken += taken_now
            # The present ms isn't over, and what it holds isn't complete.
            ends = [(shard, end_ms) for shard, end_ms in ends if shard.place.ms <= end_ms]
            if not taken_now:
                time.sleep(_TICK_S)
        return taken

    def _try(self, name: str) -> bool:
        """Return whether a work has more to do at once."""
        try:
            taken = self._works[name]()
        except (StoreError, ArchiveError) as error:
            if name not in self._failing:
                _log.warning("archive_delayed", extra={"work": name, "error": str(error)})
            self._failing[name] = min(self._failing.get(name, _FIRST_PAUSE_S / 2) * 2, _LAST_PAUSE_S)
            return False
        except Exception:  # noqa: BLE001 - one record that nobody foresaw must not end the archive in silence
            _log.exception("archive_failed", extra={"work": name})
            self._failing[name] = _LAST_PAUSE_S
            return False
        if self._failing.pop(name, None) is not None:
            _log.info("archive_recovered", extra={"work": name, "taken": taken})
        return taken >= BATCH


__all__ = ["Archiver", "AuditArchiver", "ShardArchiver"]
