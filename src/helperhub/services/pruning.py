"""Cleaning the archive up: executions by age and outcome, sums of hours; dead letters that still stand are spared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from helperhub.archive.pruning import Pruner
from helperhub.archive.tables import OUTCOMES
from helperhub.errors import NotFound, UsageError
from helperhub.model.duration import format_duration
from helperhub.model.instant import epoch_ms
from helperhub.services.audit import Audit

if TYPE_CHECKING:
    from helperhub.archive.database import Database

#: How long executions are kept unless somebody says otherwise.
KEEP = timedelta(days=30)
#: How long sums of hours are kept.
KEEP_HOURS = timedelta(days=90)
#: What ended more recently may still be shown beside what Redis has, and be read again after an outage.
LEAST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Removes what is old.

    Args:
        database: Opens the archive; None where there is none.
        dead_ids: Yields the ids of all dead letters that stand in Redis.
        audit: Notes what was removed.
        now: Redis TIME.
    """

    database: Callable[[], Database | None]
    dead_ids: Callable[[], Iterable[str]]
    audit: Audit
    now: Callable[[], datetime]

    def prune(
        self,
        older_than: timedelta = KEEP,
        *,
        by_outcome: Mapping[str, timedelta] | None = None,
        hours_older_than: timedelta = KEEP_HOURS,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Remove executions with their attempts and metadata, and sums of hours; return how many of what.

        Args:
            older_than: Executions that ended so long ago.
            by_outcome: Instead, for outcomes by name, such as ``error``.
            hours_older_than: Sums of hours; those of days stay for ever.
            dry_run: Remove nothing; return what would be removed.

        Raises:
            UsageError: There is no such outcome, or an age is less than a day.
            NotFound: There is no archive.
            StoreError: Redis can't be asked for its dead letters; nothing was removed.
            ArchiveError: The archive is away, or refuses; what was removed stays so.
        """
        ages = _ages(older_than, by_outcome or {})
        _check("hours", hours_older_than)
        database = self.database()
        if database is None:
            message = "This hub has no archive that could be cleaned up."
            raise NotFound(message, hint="'helperhub up' makes one, or 'helperhub db upgrade'.")
        # Asked first: what dies from now on is younger than anything that is removed.
        spared = frozenset(self.dead_ids())
        now_ms = epoch_ms(self.now())
        before_ms = {outcome: now_ms - _ms(age) for outcome, age in ages.items()}
        pruner, hours_ms = Pruner(database), now_ms - _ms(hours_older_than)
        if dry_run:
            removed, hours = pruner.count_executions(before_ms, spared), pruner.count_hours(hours_ms)
            return _answer(removed, hours, dry_run=True)
        removed, hours = pruner.remove_executions(before_ms, spared), pruner.remove_hours(hours_ms)
        found = _answer(removed, hours, dry_run=False) | {"free_bytes": pruner.give_back()}
        if found["total"] or hours:
            told = {outcome: format_duration(age) for outcome, age in ages.items()}
            self.audit.note("archive.prune", "archive", before={"older_than": told}, after=found)
        return found


def _answer(removed: Mapping[str, int], hours: int, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "executions": dict(removed),
        "total": sum(removed.values()),
        "hours": hours,
        "free_bytes": None,
    }


def _ages(older_than: timedelta, by_outcome: Mapping[str, timedelta]) -> dict[str, timedelta]:
    for outcome in by_outcome:
        if outcome not in OUTCOMES:
            message = f"'{outcome}' is no outcome."
            raise UsageError(message, hint=f"There are: {', '.join(OUTCOMES)}.")
    ages = {outcome: by_outcome.get(outcome, older_than) for outcome in OUTCOMES}
    for outcome, age in ages.items():
        _check(outcome, age)
    return ages


def _check(what: str, age: timedelta) -> None:
    if age < LEAST:
        message = f"What ended {format_duration(age)} ago can't be removed yet ({what})."
        raise UsageError(message, hint=f"Take {format_duration(LEAST)} or more.")


def _ms(age: timedelta) -> int:
    return age // timedelta(milliseconds=1)


__all__ = ["KEEP", "KEEP_HOURS", "Pruning"]
