"""Undoing what was deleted, replayed or purged a short while ago; see docs/decisions/0033."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from helperhub.errors import Conflict, CorruptRecord, Forbidden, NotFound
from helperhub.model.access import Scope
from helperhub.model.duration import to_ms
from helperhub.model.execution import Execution, Trigger
from helperhub.model.identity import new_execution_id
from helperhub.services.audit import acting
from helperhub.services.executions import Executions
from helperhub.services.mass_replay import REPLAY_HELPER
from helperhub.store.record import Record
from helperhub.store.scripts import Scripts
from helperhub.store.undo import PARKED, UNDO_FOR, Change, Progress, Undoable, Undoables

_BATCH = 200
#: Who may do it may undo it.
_NEEDS = {Change.DELETE: Scope.MANAGE, Change.REPLAY: Scope.RUN, Change.PURGE: Scope.MANAGE}
_NOTED = {
    Change.DELETE: "dead.delete-undone",
    Change.REPLAY: "execution.replay-undone",
    Change.PURGE: "queue.purge-undone",
}
_NOTHING = Progress(begun=True, left=0, rows=0, undone=0, taken=0)


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of undoing a change.

    Args:
        change: What was undone.
        undone: Executions that are as before.
        kept: Executions that couldn't be taken back.
        again: It was undone before: this time nothing was done.
    """

    change: Undoable
    undone: int
    kept: int
    again: bool

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        kind, target = self.change.kind.value, self.change.target or None
        counts = {"undone": self.undone, "kept": self.kept, "again": self.again}
        return {"id": self.change.id, "change": kind, "target": target, **counts, "text": self.in_words()}

    def in_words(self) -> str:
        """Return what people are told."""
        said = {Change.DELETE: _tell_deleted, Change.REPLAY: _tell_replayed, Change.PURGE: _tell_purged}
        told = said[self.change.kind](self.undone, self.kept)
        return f"That was undone before. {told}" if self.again else told


def _tell_deleted(undone: int, kept: int) -> str:
    lost = f" {kept:,} couldn't be put back: replayed meanwhile, or their time in the history was over." if kept else ""
    return f"{_count(undone, 'dead letter')} put back.{lost}"


def _tell_replayed(undone: int, kept: int) -> str:
    if not undone and not kept:
        return "It was stopped before it had replayed anything."
    stay = f" {_count(kept, 'replay')} had started, and {'stays' if kept == 1 else 'stay'}." if kept else ""
    return f"{_count(undone, 'replay')} taken back.{stay}"


def _tell_purged(undone: int, kept: int) -> str:
    lost = f" {kept:,} couldn't be: their records can't be read any more, or another has their unique key."
    return f"{_count(undone, 'execution')} enqueued again.{lost if kept else ''}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Undo:
    """Use cases around undoing.

    Args:
        scripts: The store's.
        executions: The hub's.
    """

    scripts: Scripts
    executions: Executions

    def begin(self, kind: Change, target: str = "") -> Undoable:
        """Return a change to be given to what makes it; its id undoes it for `UNDO_FOR`."""
        return Undoable(new_execution_id(), kind, target, acting().name)

    def id_of(self, change: Undoable) -> str | None:
        """Return the id of a change that was made; None if it changed nothing, so that there is nothing to undo.

        Raises:
            StoreError: Redis can't be asked.
        """
        return None if self._find(change.id) is None else change.id

    def take_back(self, change_id: str) -> Undone:
        """Undo a change as far as it can be; a second time does nothing, and says so.

        Raises:
            NotFound: There is none, it is too old, or it isn't the caller's to undo.
            Forbidden: The caller may not do such things.
            StoreError: Redis is away; what was undone by then stays so, and undoing goes on when it is asked again.
        """
        run = self._find_run(change_id)
        change = self._find(change_id) or (Undoable(change_id, Change.REPLAY) if run and not _is_over(run) else None)
        self._check(change_id, change)
        assert change is not None  # noqa: S101 - for the type: `_check` has refused that
        if run is not None:
            with contextlib.suppress(Conflict, NotFound):  # it is over
                self.executions.cancel(change_id, reason="its replay was undone")
        found = [self._take_back_in(part, change, remember=run is not None) for part in self.scripts.each]
        rows, undone = sum(one.rows for _, one in found), sum(one.undone for _, one in found)
        again = all(was_over for was_over, _ in found)
        answer = Undone(change, undone, rows - undone, again)
        if not again:
            counts = {"undone": answer.undone, "kept": answer.kept}
            target = change.target or change_id
            self.executions.audit.note(_NOTED[change.kind], target, before={"undo": change_id}, after=counts)
        return answer

    def _find(self, change_id: str) -> Undoable | None:
        found = (Undoables(part.client, part.keys).get(change_id) for part in self.scripts.each)
        return next((one for one in found if one is not None), None)

    def _find_run(self, change_id: str) -> Execution | None:
        """Return the execution that replays at a rate, if the change is one's."""
        found = self.executions.records.get(change_id)
        return found if found is not None and found.helper == REPLAY_HELPER else None

    def _check(self, change_id: str, change: Undoable | None) -> None:
        caller = acting()
        # What of it a narrowed caller may see isn't known any more: he undoes his own changes.
        if change is None or (caller.is_narrowed and change.who != caller.name):
            message = f"There is no change '{change_id}' that can be undone."
            raise NotFound(message, hint=f"It can be for {to_ms(UNDO_FOR) // 60_000} minutes.")
        needed = _NEEDS[change.kind]
        if not caller.may(needed):
            message = f"{caller.note or caller.name} may not undo this: it needs {needed}."
            raise Forbidden(message, hint="Use another key, or make one with that scope.")

    def _take_back_in(self, part: Scripts, change: Undoable, *, remember: bool) -> tuple[bool, Progress]:
        """Undo what was changed in a shard; return whether that was over before, and the sums."""
        steps = (
            self._purged_in(part, change) if change.kind is Change.PURGE else _undo_in(part, change, remember=remember)
        )
        found = [*steps] or [_NOTHING]
        return found[0].begun and not any(one.taken for one in found), found[-1]

    def _purged_in(self, part: Scripts, change: Undoable) -> Iterator[Progress]:
        """Enqueue again what a purge cancelled in a shard, a batch a step."""
        noted = Undoables(part.client, part.keys)
        while True:
            left, olds = noted.oldest(change.id, _BATCH)
            done = part.unpurge(change.id, self._copies(olds), left=left, taken=len(olds))
            if done is None:
                return
            yield done
            if not done.left:
                return

    def _copies(self, olds: Mapping[str, bool]) -> list[tuple[str, str, Record]]:
        """Return what the executions of a purge become: with the same due time, expiry, attempt and unique key."""
        copies = []
        for old, record in self.executions.records.records(olds):
            with contextlib.suppress(CorruptRecord):
                copies.append((old, *self._copy(old, record, reason=PARKED if olds[old] else "")))
        return copies

    def _copy(self, old: str, record: Record, *, reason: str) -> tuple[str, Record]:
        """Return the new id and record of a purged execution.

        Raises:
            CorruptRecord: Nobody with a key wrote the old one, or it can't be decoded.
        """
        envelope, new_id = self.executions.envelopes.open(old, record), new_execution_id()
        copy = replace(
            record,
            planned_ms=0,
            started_ms=0,
            finished_ms=0,
            delivery=0,
            reason=reason,
            result=b"",
            trigger=Trigger.REPLAY.value,
            replay_of=old,
            call="",
        )
        copy.body = self.executions.envelopes.pack(new_id, copy, envelope)
        return new_id, copy


def _undo_in(part: Scripts, change: Undoable, *, remember: bool) -> Iterator[Progress]:
    """Undo what was deleted or replayed in a shard, a batch a step."""
    while True:
        done = part.undo(change.id, limit=_BATCH, remember_ms=to_ms(UNDO_FOR) if remember else 0)
        if done is None:
            return
        yield done
        if not done.left:
            return


def _is_over(run: Execution) -> bool:
    return run.status.final


__all__ = ["UNDO_FOR", "Change", "Undo", "Undoable", "Undone"]
