"""Backups of a hub's state, and what brings it back.

What is in one, and what that promises, is said in `store.backup` and docs/howto/backup.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from helperhub.errors import BadBackup, Conflict, CorruptRecord, HelperHubError
from helperhub.model.instant import to_rfc3339
from helperhub.services.audit import Audit
from helperhub.services.backup_file import Counting, Header, Totals, check_backup, read_header, read_rows, write_backup
from helperhub.services.overview import SCHEDULER_SILENT_MS
from helperhub.store import schema
from helperhub.store.backup import ShardReading, read_hub
from helperhub.store.backup_rows import OPEN, Row
from helperhub.store.catalogue import Catalogue
from helperhub.store.record import Record, unpack_record
from helperhub.store.restore import Contents, ShardRestoring, delete_all, look_at
from helperhub.store.scripts import Scripts
from helperhub.store.shard_count import write_shard_count
from helperhub.store.workers import Workers

_TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class Backed:
    """A backup: where, what of, what is in it, and how long that took, s."""

    path: Path
    header: Header
    totals: Totals
    seconds: float

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {
            "file": str(self.path),
            "bytes": self.path.stat().st_size,
            "seconds": round(self.seconds, 3),
            **{name: value for name, value in self.header.to_document().items() if name != "began_ms"},
            **self.totals.to_document(),
        }


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    Args:
        backup: What it was done from.
        deleted: Keys of what the hub had before.
        doubted: Open executions that no key of this hub's has signed; they will be set aside, not run.
        seconds: How long it took.
    """

    backup: Backed
    deleted: int
    doubted: int
    seconds: float

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        document = self.backup.to_document()
        return {**document, "seconds": round(self.seconds, 3), "deleted_keys": self.deleted, "doubted": self.doubted}


@dataclass(frozen=True, slots=True)
class Backups:
    """Writes, checks and restores backups.

    Args:
        hub: The hub's name.
        version: This process's release.
        scripts: The store's, of all shards.
        catalogue: Where schedulers are listed.
        workers: The worker registry.
        audit: Where it is noted.
        believe: Raises `CorruptRecord` for an execution that wouldn't be run.
    """

    hub: str
    version: str
    scripts: Scripts
    catalogue: Catalogue
    workers: Workers
    audit: Audit
    believe: Callable[[str, Record], object]

    def write(self, path: Path) -> Backed:
        """Write a backup of the hub as it is now; it may go on working.

        Raises:
            HelperHubError: The file can't be written.
            StoreError: Redis can't be asked.
        """
        began = time.monotonic()
        written = max(part.agree()[0] for part in self.scripts.each)
        readings, moments = self._readings()
        at = to_rfc3339(datetime.now(UTC))
        header = Header(self.hub, written, len(self.scripts.each), self.version, at, moments)
        totals = write_backup(path, header, read_hub(readings))
        done = Backed(path, header, totals, time.monotonic() - began)
        self.audit.note("hub.backup", self.hub, after={"file": str(path), "digest": totals.digest})
        return done

    @staticmethod
    def check(path: Path) -> Backed:
        """Read all of a backup and return what is in it; Redis isn't asked.

        Raises:
            BadBackup: It is damaged.
        """
        began = time.monotonic()
        header, totals = read_header(path), check_backup(path)
        return Backed(path, header, totals, time.monotonic() - began)

    def contents(self) -> Contents:
        """Return what the hub has.

        Raises:
            StoreError: Redis can't be asked.
        """
        return sum((look_at(part) for part in self.scripts.each), Contents())

    def restore(self, path: Path, *, replace: bool = False) -> Restored:
        """Bring back what a backup holds, and check that it is back.

        Args:
            path: The backup's file.
            replace: Delete what the hub has; else it must have nothing.

        Raises:
            BadBackup: The file is damaged, or of another hub or schema; nothing was written.
            Conflict: The hub isn't empty, or something is at work on it; nothing was written.
            HelperHubError: What is back isn't what the backup holds.
            StoreError: Redis refuses; the hub may have a part of the backup.
        """
        began = time.monotonic()
        backup = self.check(path)
        self._refuse_another(backup.header)
        self.refuse_at_work()
        found = self.contents()
        if found.keys and not replace:
            raise _not_empty(self.hub, found)
        deleted = sum(delete_all(part) for part in self.scripts.each) if found.keys else 0
        for part in self.scripts.each:
            part.agree()  # this release's schema, before anything that has it
        restoring = [ShardRestoring(part) for part in self.scripts.each]
        for row in read_rows(path):
            restoring[row.shard].add(row)
        for shard in restoring:
            shard.finish()
        write_shard_count(self.scripts.client, self.scripts.keys, len(restoring))
        doubted = self._compare(backup.totals)
        for shard in restoring:
            shard.cancel_asked()
        after = {"file": str(path), "digest": backup.totals.digest, "deleted_keys": deleted}
        self.audit.note("hub.restore", self.hub, after=after)
        return Restored(backup, deleted, doubted, time.monotonic() - began)

    def refuse_at_work(self) -> None:
        """Refuse while a worker process or scheduler is at work on the hub.

        Raises:
            Conflict: One is.
            StoreError: Redis can't be asked.
        """
        now_ms = self._now_ms()
        at_work = [worker.id for worker in self.workers.all() if worker.lease_until_ms > now_ms]
        # Heard of within that time, and not stopped since.
        at_work += self.catalogue.lost_schedulers(since_ms=now_ms - SCHEDULER_SILENT_MS, until_ms=now_ms)
        if at_work:
            others = f" and {len(at_work) - 1} more are" if len(at_work) > 1 else " is"
            message = f"'{at_work[0]}'{others} at work on hub '{self.hub}'."
            hint = "Stop all workers and schedulers; one that was killed counts until its lease ends."
            raise Conflict(message, hint=hint)

    def _refuse_another(self, header: Header) -> None:
        if header.hub != self.hub:
            message = f"The backup is of hub '{header.hub}', and this is '{self.hub}'."
            hint = f"Set HELPERHUB_HUB={header.hub}: the name is in every key, and in what is signed."
            raise BadBackup(message, hint=hint)
        if header.schema != schema.KNOWN.newest:
            message = f"The backup's keys have schema {header.schema}, and this release writes {schema.KNOWN.newest}."
            raise BadBackup(message, hint=f"Restore it with HelperHub {header.version}, then upgrade.")
        if header.shards != len(self.scripts.each):
            message = f"The backup has {header.shards} shards, and HELPERHUB_SHARDS={len(self.scripts.each)}."
            raise BadBackup(message, hint=f"Set HELPERHUB_SHARDS={header.shards}.")

    def _compare(self, wanted: Totals) -> int:
        """Check that what the hub has is what a backup holds; return how many open executions nobody believes."""
        counting, doubted = Counting(), 0
        for row in counting.over(self._read()):
            doubted += row.kind == OPEN and not self._is_believed(row)
        found = counting.totals()
        if (found.digest, found.open, found.ended) == (wanted.digest, wanted.open, wanted.ended):
            return doubted
        message = (
            f"What is back isn't what the backup holds: {found.open} of {wanted.open} open executions and"
            f" {found.ended} of {wanted.ended} ended ones, digest {found.digest} instead of {wanted.digest}."
        )
        raise HelperHubError(message, hint="Did something start meanwhile? Stop it, and restore with --replace.")

    def _read(self) -> Iterator[Row]:
        return read_hub(self._readings()[0])

    def _is_believed(self, row: Row) -> bool:
        try:
            self.believe(row.name.decode(), unpack_record(row.items[0]))
        except CorruptRecord:
            return False
        return True

    def _readings(self) -> tuple[list[ShardReading], list[int]]:
        """Return a reading of each shard, and the moment that it holds, which is past for all of them."""
        parts = self.scripts.each
        moments = [part.due(limit=1).now_ms for part in parts]
        for part, moment in zip(parts, moments, strict=True):
            # What ended in that very ms has ended before anything is read.
            while part.due(limit=1).now_ms <= moment:
                time.sleep(_TICK_S)
        return [ShardReading(p.client, p.keys, at) for p, at in zip(parts, moments, strict=True)], moments

    def _now_ms(self) -> int:
        return self.scripts.due(limit=1).now_ms


def _not_empty(hub: str, found: Contents) -> Conflict:
    message = (
        f"Hub '{hub}' isn't empty: it has {found.executions} executions ({found.dead_letters} dead letters)"
        f" and {found.helpers} helpers, {found.keys} keys in all."
    )
    return Conflict(message, hint="Give --replace to delete all of it first.")
