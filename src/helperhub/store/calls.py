"""What the scripts of `lua/` take and answer, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from helperhub.store.record import Record, pack_record


@dataclass(slots=True)  # not frozen: that makes it three times as slow to make
class Publication:
    """One execution to enqueue; changed by nobody.

    Args:
        id: Its id.
        record: Its record; ``due_ms`` 0 means now plus ``delay_ms``.
        other_id: To be published under when ``id`` belongs to another call; empty where the same id
            means the same execution.
        delay_ms: How long it waits first.
        bound: Most executions that may wait in its queue; 0 means any number.
        other_body: What stands for the record's body under ``other_id``; empty means the same.
        group: Id of the group that it, or what follows it, is a member of; in one shard with the others.
        unique_for_ms: How long its record's unique key is held from now on; 0 means until it ends.
    """

    id: str
    record: Record
    other_id: str = ""
    delay_ms: int = 0
    bound: int = 0
    other_body: bytes = b""
    group: str = ""
    unique_for_ms: int = 0

    def entry(self) -> list[Any]:
        """Return what the scripts take."""
        packed = pack_record(self.record)
        return [self.id, self.bound, packed, self.delay_ms, self.other_id, self.other_body, self.unique_for_ms]


@dataclass(frozen=True, slots=True)
class MemberDone:
    """One member of a group is done.

    Args:
        group: The group's id.
        member: The member; it counts once, however often it succeeds.
        callbacks: What is enqueued when all members are done.
        keep_ms: How long the count is kept from now on.
    """

    group: str
    member: str
    callbacks: tuple[Publication, ...]
    keep_ms: int

    def entry(self) -> list[Any]:
        """Return what the script takes."""
        return [self.group, self.member, self.keep_ms, [publication.entry() for publication in self.callbacks]]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one claim brought.

    Args:
        registered: False when the worker process has lost its lease.
        now_ms: Redis TIME of the claim.
        next_due_ms: When the next delayed execution is due; 0 means none is delayed.
        records: Pairs of id and packed record, most urgent first.
    """

    registered: bool
    now_ms: int = 0
    next_due_ms: int = 0
    records: tuple[tuple[str, bytes], ...] = ()


class Settlement(NamedTuple):
    """One verdict on its way to Redis. A tuple is made in a third of a frozen dataclass's time.

    Args:
        id: The execution.
        claim: Number of the claim it was made under.
        outcome: An `Outcome` value.
        started_ms: When the function started by this machine's clock; 0 means it didn't.
        delay_ms: For a retry.
        reason: One line for people.
        result: JSON.
        error: An error of `pack_error`, or empty.
        follow_ups: What is enqueued with it.
        group: What its success means for a group, or None.
        told: If it is given up, whoever wants to know of that has been told.
        shard: Where its execution is.
    """

    id: str
    claim: int
    outcome: str
    started_ms: int = 0
    delay_ms: int = 0
    reason: str = ""
    result: bytes = b""
    error: bytes = b""
    follow_ups: tuple[Publication, ...] = ()
    group: MemberDone | None = None
    told: bool = False
    shard: int = 0

    def entry(self) -> list[Any]:
        """Return what the script takes."""
        follow_ups = [publication.entry() for publication in self.follow_ups]
        return [
            self.id,
            str(self.claim),
            self.outcome,
            self.started_ms,
            self.delay_ms,
            self.reason,
            self.result,
            self.error,
            follow_ups,
            self.group.entry() if self.group else [],
            int(self.told),
        ]


@dataclass(frozen=True, slots=True)
class Report:
    """What a running execution says of itself.

    Args:
        id: The execution.
        delivery: Its delivery that says so.
        progress: The last progress report, JSON; empty means no news.
        lines: New log lines, JSON, oldest first.
    """

    id: str
    delivery: int
    progress: bytes = b""
    lines: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    """A worker process that is known to be gone.

    Args:
        worker: Its id.
        cause: How it ended, for people: ``SIGSEGV``, ``exit code 1``.
        suspects: What may have killed it; None means whatever it held.
        lost: Whether nobody ended it on purpose, so that somebody may want to know.
    """

    worker: str
    cause: str
    suspects: tuple[str, ...] | None = None
    lost: bool = True


@dataclass(frozen=True, slots=True)
class Reaped:
    """A worker process whose work was handed out again.

    Args:
        worker: Its id.
        handed_out: Executions that it held.
        given_up: Those of them that became dead letters.
    """

    worker: str
    handed_out: int
    given_up: int


@dataclass(frozen=True, slots=True)
class DueRow:
    """What is due of one helper: its slots with due time (ms) and mark (empty or ``move:...``).

    Args:
        helper: Its name.
        until_ms: How far it is planned; 0 means nobody plans it any more.
        slots: What is due.
    """

    helper: str
    until_ms: int
    slots: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Due:
    """What is due in the plan, by Redis TIME ``now_ms``; ``next_due_ms`` 0 means nothing follows."""

    now_ms: int
    revision: int
    next_due_ms: int
    rows: tuple[DueRow, ...]


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """Due times to enter for one helper; see `lua/plan.lua`."""

    helper: str
    state: str
    until_ms: int
    oldest_stamp: str
    slots: tuple[tuple[str, int], ...]
    missed: tuple[tuple[str, Record, str, str], ...] = ()

    def entry(self) -> list[Any]:
        """Return what the script takes."""
        flat = [value for slot in self.slots for value in slot]
        missed = [[id_, pack_record(record), status, reason] for id_, record, status, reason in self.missed]
        return [self.helper, self.state, self.until_ms, self.oldest_stamp, flat, missed]


@dataclass(frozen=True, slots=True)
class SpecChange:
    """A change of one helper in the catalogue; see `lua/register.lua`."""

    helper: str
    spec: str = ""
    override: str = ""
    plan: str = "keep"
