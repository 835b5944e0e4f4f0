"""What becomes of due times when they are looked at: enqueued, expired or skipped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from helperhub.model.duration import format_duration
from helperhub.model.instant import to_stamp

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DueSlot:
    """One due time of one schedule of a helper.

    Args:
        schedule: The schedule's name, ``""`` for the unnamed one.
        planned_at: The schedule's moment.
        due_at: When it is to be enqueued: with jitter, or where a person moved it.
        asked: Whether a person moved it or asked to run it now.
    """

    schedule: str
    planned_at: datetime
    due_at: datetime
    asked: bool = False


class Action(StrEnum):
    """The closed set of things that can become of a slot."""

    ENQUEUE = "enqueue"
    EXPIRE = "expire"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a slot.

    Args:
        reason: One line for people; empty for what is enqueued on time or because it was asked for.
    """

    slot: DueSlot
    action: Action
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Compressed:
    """Planned times that share one record.

    Args:
        first: The earliest of them.
        last: The latest of them.
        count: How many there are.
    """

    first: datetime
    last: datetime
    count: int


def decide_due(
    slots: Sequence[DueSlot], *, now: datetime, grace: timedelta, expires_after: timedelta | None
) -> list[Decision]:
    """Decide what becomes of the slots of one helper that are due, in order of planned time.

    A slot is missed when it is due for longer than ``grace``: nothing was there to enqueue it. Slots
    that aren't missed and those that a person asked for are enqueued. Of a schedule's missed ones
    those past their expiry expire; of the rest the latest runs late, unless a slot of the schedule
    that isn't missed is due as well, and the others are skipped. So an outage is followed by one
    execution of each schedule, not by one for each time it missed.

    Args:
        slots: Due at ``now``; of any of the helper's schedules, each judged alone.
        now: Redis TIME.
        grace: How late a slot may be without being missed.
        expires_after: The helper's expiry; None means never.
    """
    decisions: list[Decision] = []
    for schedule in {slot.schedule for slot in slots}:
        own = sorted((slot for slot in slots if slot.schedule == schedule), key=lambda slot: slot.planned_at)
        decisions += _decide_schedule(own, now, grace, expires_after)
    return sorted(decisions, key=lambda decision: (decision.slot.planned_at, decision.slot.schedule))


def compress(planned: Iterable[datetime], *, keep: int) -> tuple[list[datetime], Compressed | None]:
    """Return the last ``keep`` of overdue planned times, and one record for all the older ones.

    Three missed hours of a schedule that fires every second are then one row, not 10,800.

    Args:
        planned: In any order.
        keep: 0 or more.

    Raises:
        ValueError: ``keep`` is negative.
    """
    if keep < 0:
        message = f"keep={keep} is negative"
        raise ValueError(message)
    ascending = sorted(planned)
    older = ascending[: max(len(ascending) - keep, 0)]
    record = Compressed(older[0], older[-1], len(older)) if older else None
    return ascending[len(older) :], record


def _decide_schedule(
    slots: list[DueSlot], now: datetime, grace: timedelta, expires_after: timedelta | None
) -> Iterable[Decision]:
    missed = [slot for slot in slots if not slot.asked and now - slot.due_at > grace]
    expired = {slot for slot in missed if expires_after is not None and slot.due_at + expires_after < now}
    on_time = [slot for slot in slots if now - slot.due_at <= grace]
    late = [slot for slot in missed if slot not in expired]
    runner = on_time[0] if on_time else late[-1] if late else None
    for slot in slots:
        if slot in expired and expires_after is not None:
            ago = _roughly(now - slot.due_at - expires_after)
            yield Decision(slot, Action.EXPIRE, f"missed while nothing could enqueue it; expired {ago} ago")
        elif slot.asked or now - slot.due_at <= grace:
            yield Decision(slot, Action.ENQUEUE)
        elif slot == runner:
            yield Decision(slot, Action.ENQUEUE, f"missed; run late by {_roughly(now - slot.due_at)}")
        elif runner is not None:
            yield Decision(slot, Action.SKIP, f"missed; superseded by {to_stamp(runner.planned_at)}")


def _roughly(duration: timedelta) -> str:
    """Return ``duration`` for people: whole seconds below a minute, whole minutes below a day, else hours."""
    unit = _SECOND if duration < _MINUTE else _MINUTE if duration < _DAY else _MINUTE * 60
    return format_duration(duration // unit * unit)
