"""Executions: list, show, wait, cancel, replay."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import orjson

from helperhub.errors import Conflict, CorruptRecord, NotFound, UntrustedRecord
from helperhub.model.execution import Execution, Status, Trigger
from helperhub.model.identity import new_execution_id
from helperhub.model.instant import from_ms
from helperhub.services.archived import NO_ARCHIVE, Archived, ArchiveState, ArchiveView
from helperhub.services.audit import Audit
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.history import History
from helperhub.services.plan import Plan
from helperhub.services.search_words import parse_query, suggest
from helperhub.store.body import Envelope
from helperhub.store.envelope import Envelopes
from helperhub.store.executions import Executions as Records
from helperhub.store.queues import Queues
from helperhub.store.record import Record
from helperhub.store.scripts import Scripts
from helperhub.store.undo import Undoable

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Executions:
    """Use cases around executions."""

    scripts: Scripts
    records: Records
    queues: Queues
    plan: Plan
    #: How long after its due time a replayed execution of a helper may start; None means for ever.
    expires_after_of: Callable[[str], timedelta | None]
    #: Checks what the old execution was given, and signs it for the new one.
    envelopes: Envelopes
    audit: Audit
    #: What only the archive has any more.
    archived: Archived

    def find(self, wanted: ExecutionFilter, *, limit: int) -> list[Execution]:
        """Return executions, newest first: planned if asked for, running, waiting, then finished."""
        return list(islice(self.all_of(wanted), limit))

    def latest(self, since: datetime, *, limit: int) -> list[Execution]:
        """Return what ended at or after ``since`` as far as Redis has it, newest first."""
        return list(islice(self.records.finished(since=since), limit))

    def all_of(self, wanted: ExecutionFilter) -> Iterator[Execution]:
        """Yield executions as `find`, as many as there are."""
        return self.history(wanted).found()

    def history(self, wanted: ExecutionFilter, *, strict: bool = False) -> History:
        """Return the list of what is wanted, of which `find_page` takes pages.

        Args:
            wanted: Which.
            strict: Whether an archive that can't be read is an error.
        """
        return History(self.records, self.queues, self.plan, self.archived, wanted, strict=strict)

    def read_query(self, query: str) -> ExecutionFilter:
        """Return what a search in words asks for; see `search_words`. Durations count back from Redis TIME.

        Raises:
            UsageError: It can't be understood.
        """
        return parse_query(query, lambda: from_ms(self.scripts.due(limit=1).now_ms))

    def suggest(self, query: str) -> list[str]:
        """Return how the last word of a search may go on: qualifiers, helpers, states, queues that there are."""
        return suggest(query, helpers=self.plan.catalogue.current().rows, queues=self.queues.names())

    def get(self, execution_id: str) -> Execution:
        """Return one execution, a planned one too.

        Raises:
            NotFound: Nothing is known of it (any more).
        """
        found = self.records.get(execution_id) or self.plan.get(execution_id)
        # Between the two looks it may have been enqueued.
        found = found or self.records.get(execution_id)
        if found is not None:
            return found
        archived, view = self.archived.get(execution_id)
        if archived is None:
            raise _unknown(execution_id, view)
        return archived

    def show(self, execution_id: str) -> Execution:
        """Return one execution as `get`, with the limit that it waits for.

        Raises:
            NotFound: Nothing is known of it (any more).
        """
        execution = self.get(execution_id)
        if execution.status is not Status.QUEUED:
            return execution
        return replace(execution, waits_for=self.records.waits_for(execution_id))

    def progress(self, execution_id: str) -> dict[str, Any] | None:
        """Return the last progress report of an execution: done, total, text; None if there is none."""
        raw = self.records.progress(execution_id)
        report: dict[str, Any] | None = orjson.loads(raw) if raw else None
        return report

    def log(self, execution_id: str) -> list[dict[str, Any]]:
        """Return what an execution logged lately, oldest first: ``at``, ``level``, ``text`` and more.

        At most the last 200 lines, while it runs and for an hour after its last word.
        """
        return [orjson.loads(line) for line in self.records.log(execution_id)]

    def wait(self, execution_id: str, *, timeout: timedelta) -> Execution:
        """Return the execution once it is final, or as it stands after ``timeout``.

        Raises:
            NotFound: Nothing is known of it.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        pause = 0.01
        while True:
            execution = self.get(execution_id)
            left = deadline - time.monotonic()
            if execution.status.final or left <= 0:
                return execution
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, 0.5)

    def cancel(self, execution_id: str, *, reason: str) -> str:
        """Stop an execution: ``cancelled`` at once if it waits, ``asked`` if it runs.

        Raises:
            NotFound: Nothing is known of it.
            Conflict: It is over.
        """
        if self.records.get(execution_id) is None:
            # Not planned any more: unknown, or enqueued a moment ago.
            with contextlib.suppress(NotFound):
                self.plan.skip(execution_id, reason=f"cancelled: {reason}" if reason else "cancelled")
                return "cancelled"
        code = self.scripts.cancel([execution_id], reason=reason or "cancelled")[0]
        if code == "unknown":
            raise self._not_in_redis(execution_id, what="cancelled")
        if code == "final":
            status = self.get(execution_id).status.value
            message = f"'{execution_id}' is over: {status}."
            raise Conflict(message)
        self.audit.note("execution.cancel", execution_id, after=code, reason=reason)
        return code

    def cancel_all(self, ids: Sequence[str], *, reason: str) -> list[str]:
        """Stop all of these that aren't over; return what became of each that could be: ``cancelled`` or ``asked``."""
        done: list[str] = []
        for start in range(0, len(ids), _BATCH):
            chunk = ids[start : start + _BATCH]
            codes = dict(zip(chunk, self.scripts.cancel(chunk, reason=reason or "cancelled"), strict=True))
            stopped = {id_: code for id_, code in codes.items() if code in ("cancelled", "asked")}
            if stopped:
                target = next(iter(stopped)) if len(stopped) == 1 else f"{len(stopped)} executions"
                self.audit.note("execution.cancel", target, after=stopped, reason=reason)
            done += stopped.values()
            for planned in (id_ for id_, code in codes.items() if code == "unknown"):
                with contextlib.suppress(NotFound, Conflict):
                    done.append(self.cancel(planned, reason=reason))
        return done

    def replay(self, ids: Sequence[str], *, undo: Undoable | None = None) -> list[tuple[str, str]]:
        """Put finished executions back as new ones; return (old id, new id) for each.

        A dead letter is replayed once: asking again answers the execution it became.

        Args:
            ids: Which.
            undo: The change that this is, so that it can be undone.

        Raises:
            UntrustedRecord: One was set aside because nobody with a key wrote it, or can't be decrypted.
            NotFound: Nothing is known of one of them; those before it were replayed.
            Conflict: One isn't over yet; those before it were replayed.
        """
        done: list[tuple[str, str]] = []
        for start in range(0, len(ids), _BATCH):
            chunk = ids[start : start + _BATCH]
            answers = self.scripts.replay([self._copy(old) for old in chunk], undo=undo)
            for old, (code, new) in zip(chunk, answers, strict=True):
                if code == -1:
                    message = f"'{old}' isn't over yet, so it can't be replayed."
                    raise Conflict(message, hint="'helperhub executions wait' waits for its end.")
                if code == -2:
                    raise _unknown(old)
                done.append((old, new))
            self._note_replays(done[-len(chunk) :], undo)
        return done

    def replay_all(self, ids: Sequence[str], *, undo: Undoable | None = None) -> list[tuple[str, str]]:
        """Put back all of these that are still there and can be read, as `replay`; return (old id, new id) for each."""
        done: list[tuple[str, str]] = []
        for start in range(0, len(ids), _BATCH):
            put_back = self.put_back(ids[start : start + _BATCH], undo=undo)
            self._note_replays(put_back, undo)
            done += put_back
        return done

    def put_back(
        self, ids: Sequence[str], *, new_ids: Sequence[str] | None = None, undo: Undoable | None = None
    ) -> list[tuple[str, str]]:
        """Do as `replay_all` in one call, for who notes himself what he does.

        Args:
            ids: The old ones.
            new_ids: What the new ones are called; None for fresh ids.
            undo: The change that this is a part of; if it was undone meanwhile, nothing is put back.
        """
        replays = []
        for old, new in zip(ids, new_ids or (new_execution_id() for _ in ids), strict=True):
            with contextlib.suppress(NotFound, Conflict, CorruptRecord):
                replays.append(self._copy(old, new_id=new))
        answers = self.scripts.replay(replays, undo=undo)
        return [(old, new) for (old, *_), (code, new) in zip(replays, answers, strict=True) if code >= 0]

    def replay_changed(
        self,
        execution_id: str,
        change: Callable[[Record, Envelope], tuple[Envelope, str]],
        *,
        undo: Undoable | None = None,
    ) -> str:
        """Put a dead letter back with something else to work on; return the new execution's id.

        Args:
            execution_id: The dead letter.
            change: Returns what it is given now, and the key that limits count it by.
            undo: As for `replay`.

        Raises:
            UntrustedRecord: Nobody with a key wrote it, or it can't be decrypted.
            NotFound: Nothing is known of it.
            Conflict: It was replayed before.
        """
        _, new_id, record = self._copy(execution_id, change)
        ((code, found),) = self.scripts.replay([(execution_id, new_id, record)], undo=undo)
        if code == -2:
            raise _unknown(execution_id)
        if code != 1:
            message = f"'{execution_id}' was replayed before, as {found}." if code == 0 else f"'{execution_id}' runs."
            raise Conflict(message)
        return new_id

    def _note_replays(self, pairs: Sequence[tuple[str, str]], undo: Undoable | None) -> None:
        if pairs:
            before = {"undo": undo.id} if undo else None
            target = pairs[0][0] if len(pairs) == 1 else f"{len(pairs)} executions"
            self.audit.note("execution.replay", target, before=before, after={str(old): str(new) for old, new in pairs})

    def _copy(
        self,
        execution_id: str,
        change: Callable[[Record, Envelope], tuple[Envelope, str]] | None = None,
        *,
        new_id: str | None = None,
    ) -> tuple[str, str, Record]:
        """Return the old id, a new one, and the record that the new one gets."""
        record = self.records.record(execution_id)
        if record is None:
            raise self._not_in_redis(execution_id, what="replayed")
        try:
            envelope = self.envelopes.open(execution_id, record)
        except UntrustedRecord as error:
            message = f"'{execution_id}' can't be replayed. {error.message}"
            raise UntrustedRecord(message, hint=error.hint) from error
        expires_after = self.expires_after_of(record.helper)
        new_id = new_id or new_execution_id()
        copy = replace(
            Record(),
            helper=record.helper,
            queue=record.queue,
            priority=record.priority,
            expires_ms=0 if expires_after is None else -(expires_after // timedelta(milliseconds=1)),
            max_attempts=record.max_attempts,
            trigger=Trigger.REPLAY.value,
            replay_of=execution_id,
            metadata=record.metadata,
            overlap=record.overlap,
            key=record.key,
            called=record.called,
        )
        if change is not None:
            envelope, copy.key = change(record, envelope)
        copy.body = self.envelopes.pack(new_id, copy, envelope)
        return execution_id, new_id, copy

    def _not_in_redis(self, execution_id: str, *, what: str) -> NotFound | Conflict:
        """Return why something can't be done to an execution that Redis doesn't have."""
        archived, view = self.archived.get(execution_id)
        if archived is None:
            return _unknown(execution_id, view)
        message = (
            f"'{execution_id}' is over ({archived.status.value}), and only the archive has it: it can't be {what}."
        )
        return Conflict(message, hint=f"Start '{archived.helper}' anew, with the payload that it shows.")


def _unknown(execution_id: str, view: ArchiveView = NO_ARCHIVE) -> NotFound:
    message = f"Nothing is known of execution '{execution_id}'."
    if view.state is ArchiveState.AWAY:
        return NotFound(message, hint=f"The archive may have it, but can't be read now. {view.problem}")
    return NotFound(message, hint="Its history may have ended; 'helperhub executions list' shows what is known.")


__all__ = ["ExecutionFilter", "Executions"]
