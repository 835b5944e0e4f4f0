"""Dead letters: list, group by cause, show, replay, edit, delete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from helperhub.broker.running import check_payload
from helperhub.errors import InvalidPayload, NotFound, TooLarge, UsageError
from helperhub.model.execution import Execution, Status
from helperhub.model.helper import split_key
from helperhub.plugins.declaration import Helper
from helperhub.services.causes import CauseGroup, cause_of, group_causes
from helperhub.services.execution_pages import Page, read_end_place, take_page
from helperhub.services.executions import ExecutionFilter, Executions
from helperhub.services.history import Row, load_rows
from helperhub.store.body import Envelope, to_json
from helperhub.store.record import Record
from helperhub.store.scripts import Scripts
from helperhub.store.undo import Undoable
from helperhub.trust.redaction import MASK

_BATCH = 500
#: Dead letters that are looked at to group them.
MOST_GROUPED = 20_000


def everything(helper: str, queue: str) -> bool:
    """Return that one may be seen, whatever it is of."""
    del helper, queue
    return True


@dataclass(frozen=True, slots=True)
class DeadFilter:
    """Which dead letters; what is None doesn't count.

    Args:
        helper: A helper with all its instances, or one instance.
        cause: The fingerprint of a cause.
        sees: Whether the caller may see one of this helper and queue.
    """

    helper: str | None = None
    cause: str | None = None
    sees: Callable[[str, str], bool] = everything

    def matches(self, execution: Execution) -> bool:
        """Return whether ``execution`` is wanted."""
        return (
            ExecutionFilter(helper=self.helper).matches(execution)
            and self.sees(execution.helper, execution.queue)
            and (self.cause is None or cause_of(execution).fingerprint == self.cause)
        )


@dataclass(frozen=True, slots=True)
class Grouped:
    """Dead letters by cause.

    Args:
        groups: The most frequent first.
        looked: How many dead letters were looked at, newest first.
        total: How many there are.
    """

    groups: Sequence[CauseGroup]
    looked: int
    total: int

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        groups = [group.to_document() for group in self.groups]
        return {"groups": groups, "looked": self.looked, "total": self.total}


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Use cases around executions that were given up on.

    Args:
        scripts: The store's.
        executions: The hub's.
        local_helper: The helper of that name that this process has loaded, or None.
        limit_key_of: The field of a helper's payload that has limits of its own, by helper and queue; or None.
        max_payload: Largest payload, bytes.
    """

    scripts: Scripts
    executions: Executions
    local_helper: Callable[[str], Helper | None]
    limit_key_of: Callable[[str, str], str | None]
    max_payload: int

    def find(self, *, helper: str | None = None, limit: int) -> list[Execution]:
        """Return dead letters, newest first."""
        return list(islice(self.matching(DeadFilter(helper)), limit))

    def matching(self, wanted: DeadFilter) -> Iterator[Execution]:
        """Yield all that are wanted, newest first."""
        return filter(wanted.matches, self.executions.records.dead())

    def page(self, wanted: DeadFilter, *, limit: int, place: Mapping[str, Any] | None = None) -> Page:
        """Return a page, newest first; see `find_page`.

        Raises:
            UsageError: ``place`` isn't one of this list.
        """
        places = self.executions.records.listing().dead(before=read_end_place(place))
        rows = load_rows(self.executions.records, places, lambda place: place[1])
        return take_page((Row({"at": list(at)}, one, fits=True) for at, one in rows), wanted.matches, limit=limit)

    def groups(self, wanted: DeadFilter) -> Grouped:
        """Return dead letters by their cause: of the newest `MOST_GROUPED` those that are wanted."""
        total = self.count()
        newest = islice(self.executions.records.dead(), MOST_GROUPED)
        groups = group_causes(filter(wanted.matches, newest))
        return Grouped(groups, min(total, MOST_GROUPED), total)

    def mark(self) -> tuple[int, str]:
        """Return what is another whenever a dead letter comes or goes: how many there are, and the newest."""
        newest = next(iter(self.executions.records.listing().dead()), (0, ""))
        return self.count(), newest[1]

    def count(self) -> int:
        """Return how many there are."""
        return self.executions.records.count_dead()

    def is_dead(self, execution_id: str) -> bool:
        """Return whether an execution is among the dead letters now."""
        return self.executions.records.listing().are_dead([execution_id])[0]

    def check_dead(self, execution: Execution) -> None:
        """See that an execution is among the dead letters now.

        Raises:
            NotFound: It isn't, or isn't any more.
        """
        if not self.is_dead(execution.id):
            message = f"'{execution.id}' is no dead letter: it is {execution.status.value}, or was replayed or deleted."
            raise NotFound(message, hint="The execution itself says what became of it.")

    def get(self, execution_id: str) -> Execution:
        """Return one dead letter with its errors; one that was replayed or deleted too, while the history has it.

        Raises:
            NotFound: It wasn't given up.
        """
        execution = self.executions.get(execution_id)
        if execution.status is not Status.ERROR:
            message = f"'{execution_id}' is no dead letter: it is {execution.status.value}."
            raise NotFound(message)
        return execution

    def replay(self, ids: Sequence[str], *, undo: Undoable | None = None) -> list[tuple[str, str]]:
        """Put dead letters back; return (old id, new id) for each.

        Args:
            ids: Which.
            undo: The change that this is, so that it can be undone.

        Raises:
            NotFound: One isn't a dead letter.
        """
        for execution_id in ids:
            self.get(execution_id)
        return self.executions.replay(ids, undo=undo)

    def replay_all(self, *, helper: str | None = None, undo: Undoable | None = None) -> list[tuple[str, str]]:
        """Put all dead letters back, or a helper's; what dies meanwhile isn't replayed by this call."""
        ids = [execution.id for execution in self.find(helper=helper, limit=self.count())]
        return self.executions.replay_all(ids, undo=undo)

    def replay_edited(self, execution_id: str, payload: Any, *, undo: Undoable | None = None) -> str:
        """Put a dead letter back with another payload, signed anew; return the new execution's id.

        Raises:
            NotFound: It isn't a dead letter.
            InvalidPayload: The payload isn't JSON, doesn't fit the helper's model where that is known here, or
                has the mask that stands for a secret.
            TooLarge: It is.
            Conflict: It was replayed before.
            UntrustedRecord: Nobody with a key wrote the dead letter.
        """
        letter = self.get(execution_id)
        local = self.local_helper(split_key(letter.helper)[0])
        if local is not None:
            check_payload(local, payload)
        written = to_json(payload, what="The payload")
        if MASK.encode() in written:
            message = f"The payload still says {MASK}: it was taken from what is shown to people, without its secrets."
            raise InvalidPayload(message, hint="Put in the secret itself, or replay it as it is.")
        size = len(written)
        if size > self.max_payload:
            message = f"The payload has {size} bytes, {self.max_payload} are allowed."
            raise TooLarge(message, hint="Store it elsewhere and send its place, or raise HELPERHUB_MAX_PAYLOAD.")

        def change(record: Record, before: Envelope) -> tuple[Envelope, str]:
            name = self.limit_key_of(record.helper, record.queue)
            return _given(before, payload), self.executions.envelopes.limit_key(payload, name)

        new = self.executions.replay_changed(execution_id, change, undo=undo)
        # Not the payloads themselves: they may hold what isn't for whoever reads the audit.
        self.executions.audit.note("dead.edit", execution_id, after={"execution": new, "payload": "changed"})
        return new

    def delete(self, ids: Sequence[str], *, undo: Undoable | None = None) -> int:
        """Remove dead letters; return how many there were."""
        after = {"undo": undo.id} if undo else None
        deleted = 0
        for start in range(0, len(ids), _BATCH):
            chunk = list(ids[start : start + _BATCH])
            found = self.scripts.delete_dead(chunk, undo=undo)
            deleted += found
            if found:
                target = chunk[0] if len(chunk) == 1 else f"{found} dead letters"
                self.executions.audit.note("dead.delete", target, before=chunk, after=after)
        return deleted

    def delete_all(self, *, helper: str | None = None, undo: Undoable | None = None) -> int:
        """Remove all dead letters, or a helper's; return how many there were."""
        if helper is None:
            return self.delete(list(self.executions.records.dead_ids()), undo=undo)
        return self.delete_matching(DeadFilter(helper), undo=undo)

    def delete_matching(self, wanted: DeadFilter, *, undo: Undoable | None = None) -> int:
        """Remove all that are wanted; return how many there were."""
        return self.delete([execution.id for execution in self.matching(wanted)], undo=undo)


def _given(before: Envelope, payload: Any) -> Envelope:
    """Return what an execution is given instead; calls with several arguments keep their shape.

    Raises:
        UsageError: It had several arguments, and ``payload`` doesn't say which are which.
    """
    if not before.kwargs and len(before.args) <= 1:
        return replace(before, args=() if payload is None else (payload,))
    if not before.kwargs and isinstance(payload, list):
        return replace(before, args=tuple(payload))
    if isinstance(payload, dict) and set(payload) == {"args", "kwargs"}:
        args, kwargs = payload["args"], payload["kwargs"]
        if isinstance(args, list) and isinstance(kwargs, dict):
            return replace(before, args=tuple(args), kwargs=kwargs)
    message = "It was called with several arguments; this payload doesn't say what becomes of them."
    raise UsageError(message, hint='Give them as \'dead show\' has them: a list, or {"args": [...], "kwargs": {...}}.')
