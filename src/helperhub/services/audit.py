"""The audit trail: who did what, and how it was before and after, from the command line and over HTTP alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from helperhub.errors import ArchiveError, NotFound, StoreForbidden
from helperhub.model.access import SYSTEM, Principal
from helperhub.model.instant import from_ms, to_rfc3339
from helperhub.store.archived import read_archived
from helperhub.store.audit import AuditStream

if TYPE_CHECKING:
    from helperhub.archive.audit import AuditChain

_log = logging.getLogger("helperhub.audit")
_STARTS = frozenset({"helper.run", "execution.start"})
_acting: ContextVar[Principal] = ContextVar("acting", default=SYSTEM)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; what is None doesn't count.

    Args:
        who: The principal's name, such as ``key:3f9a``.
        action: Such as ``helper.disable``; ``helper.`` means all that begin so.
        target: What it was done to.
        since: At or after.
        until: Before.
    """

    who: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, entry: Mapping[str, Any]) -> bool:
        """Return whether ``entry`` is wanted."""
        action = str(entry["action"])
        wanted = self.action
        return (
            (self.who is None or entry["who"] == self.who)
            and (wanted is None or action == wanted or (wanted.endswith(".") and action.startswith(wanted)))
            and (self.target is None or entry["target"] == self.target)
        )


@dataclass(frozen=True, slots=True)
class Audit:
    """Writes and reads the trail.

    Args:
        stream: The newest part, in Redis.
        archive: Returns the trail in the archive, which has all that was taken over; None if there is no archive.
    """

    stream: AuditStream
    archive: Callable[[], AuditChain | None]

    def note(self, action: str, target: str, *, before: Any = None, after: Any = None, reason: str = "") -> None:
        """Add what has just been done to the trail, under the name of whoever acts.

        Args:
            action: ``noun.verb``, such as ``helper.disable``.
            target: The name or id of what it was done to.
            before: How that was, JSON; None where there is nothing to say.
            after: How it is now.
            reason: Why, in his words.

        Raises:
            StoreError: Redis can't take it: what was done is done, and this says that it isn't on record.
        """
        who = acting()
        entry = {"who": who.name, "note": who.note, "action": action, "target": target, "reason": reason}
        try:
            self.stream.add({**entry, "before": before, "after": after})
        except StoreForbidden:
            # A worker process's Redis user may not write the trail, for it could empty it as well; its log has this.
            _log.warning("audit_not_permitted", extra={**entry, "before": before, "after": after})

    def find(self, wanted: AuditFilter, *, limit: int, before: str | None = None) -> list[dict[str, Any]]:
        """Return entries as documents, newest first.

        Args:
            wanted: Which.
            limit: At most so many.
            before: Only those older than the entry of this id.
        """
        return list(islice(self.export(wanted, before=before), limit))

    def export(self, wanted: AuditFilter, *, before: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield all entries as documents, newest first; see `find`."""
        for id_, entry in self._newest_first(before):
            at = from_ms(int(id_.partition("-")[0]))
            if wanted.since is not None and at < wanted.since:
                return
            document = {
                "id": id_,
                "at": to_rfc3339(at),
                **{name: str(entry.get(name, "")) for name in ("who", "note", "action", "target", "reason")},
                "before": entry.get("before"),
                "after": entry.get("after"),
            }
            if (wanted.until is None or at < wanted.until) and wanted.matches(document):
                yield document

    def verify(self) -> dict[str, Any]:
        """Return whether the archived trail is whole, as a document: each entry follows from the one before.

        Its end is compared with what the archiver noted in Redis: who has changed the database hasn't changed that.

        Raises:
            NotFound: There is no archive.
            ArchiveError: It is away, or isn't set up.
            StoreError: Redis is away.
        """
        chain = self.archive()
        if chain is None:
            message = "There is no archive on this machine."
            raise NotFound(
                message, hint="'helperhub up' or 'helperhub archiver' fills one; see HELPERHUB_DATABASE_URL."
            )
        said = read_archived(self.stream.scripts)
        noted = said.audit if said else ""
        verdict = chain.verify()
        problem = "" if verdict.broken is None else f"Entry {verdict.broken}: {verdict.why}."
        number, _, digest = noted.partition(" ")
        if not problem and noted and chain.digest_at(int(number)) != digest:
            problem = f"Its end isn't the one that was noted in Redis: entry {number} with the digest {digest}."
        return {"ok": not problem, "entries": verdict.entries, "digest": verdict.digest, "problem": problem or None}

    def _newest_first(self, before: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what Redis has, then what only the archive has."""
        for id_, entry in self.stream.newest_first(before=before):
            before = id_
            yield id_, entry
        try:
            chain = self.archive()
            if chain is not None:
                yield from chain.newest_first(before=before)
        except ArchiveError as error:
            _log.warning("audit_incomplete", extra={"error": str(error)})

    def started(self) -> set[str]:
        """Return the executions of which it is on record who started them, as far back as the trail goes."""
        found: set[str] = set()
        for _, entry in self.stream.newest_first():
            after = entry.get("after")
            if entry.get("action") in _STARTS and isinstance(after, dict):
                found.update([after["execution"]] if "execution" in after else after.get("executions", ()))
        return found


def acting() -> Principal:
    """Return who acts in this thread or task."""
    return _acting.get()


def act_as(principal: Principal) -> None:
    """Let ``principal`` be who acts from now on, in this thread or task and in those that it starts."""
    _acting.set(principal)


@contextmanager
def acting_as(principal: Principal) -> Iterator[None]:
    """Let ``principal`` be who acts for the length of the block."""
    token = _acting.set(principal)
    try:
        yield
    finally:
        _acting.reset(token)
