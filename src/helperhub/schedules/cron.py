"""Crontab lines by the rules of Debian's cron: man 5 crontab, man 8 cron, and its ``cron.c``.

``cronsim`` reads the fields and finds the matching wall-clock times; it is only ever given naive
ones. What a change of the zone's offset does to them is decided here, because cronsim 2.8 loses
matches where it steps over a change itself (``0 */2 * * *`` in Australia/Lord_Howe on 2026-04-05).

Debian's rules for changes of less than three hours:

- A line whose minute or hour field begins with ``*`` follows the clock: what is skipped doesn't run,
  what is repeated runs twice.
- Any other line has fixed times: those in a gap run right after it, those repeated run once, the
  first time. Several in one gap share one due time, where cron would start them all in one minute.

Beyond Debian, and because cronsim has them: ``L`` and ``LW`` as day, ``5L`` and ``5#2`` as weekday.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from difflib import get_close_matches

from cronsim import CronSim, CronSimError

from helperhub.errors import InvalidSchedule
from helperhub.schedules.refusal import UNNAMED, build_refusal
from helperhub.schedules.wall_clock import one_instant, shown_at, skipped_by, wall_time

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day", "1-31"),
    ("month", "1-12 or jan-dec"),
    ("weekday", "0-7 or sun-sat, 0 and 7 being Sunday"),
)
_ORDER = "minute, hour, day, month and weekday"
#: ``cron.c``: a change of more than this is a corrected clock, after which nothing is made up for.
_LARGEST_CHANGE = timedelta(hours=3)
#: Any time will do where a line is only read, not searched.
_SOME_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - wall-clock time
_STEP_WITHOUT_RANGE = re.compile(r"(\w+)/(\d+)")
_STEP_ON_ONE = re.compile(r"(\w+)-\1/\d+")


@dataclass(frozen=True, slots=True)
class CronRule:
    """A crontab line that has been read.

    Args:
        line: Five fields that cronsim reads as Debian's cron does.
        follows_clock: Whether the minute or the hour begins with ``*``.
    """

    line: str
    follows_clock: bool


def parse_cron(expression: str, *, subject: str = UNNAMED) -> CronRule:
    """Return the rule that ``expression`` writes down.

    Args:
        expression: Five fields or an alias such as ``@daily``.
        subject: Whose expression it is, for the message.

    Raises:
        InvalidSchedule: Debian's cron would refuse it, it names no time (``@reboot``), or no year
            has such a date (31 February).
    """
    line = expression.strip()
    if line.startswith("@"):
        line = _alias(line, subject)
    fields = line.split()
    if len(fields) != len(_FIELDS):
        raise _wrong_count(expression, len(fields), subject)
    for (name, allowed), field in zip(_FIELDS, fields, strict=True):
        for term in field.split(","):
            if step := _STEP_WITHOUT_RANGE.fullmatch(term):
                why = f"{name} '{term}' has a step, but no range"
                hint = f"Write '{step[1]}-{_last(allowed)}/{step[2]}' for {step[1]} and every {step[2]} from there on."
                raise build_refusal(subject, "cron", expression, why, hint=hint)
    # cronsim reads 5-5/10 as 5-59/10; Debian's cron as 5.
    fields = [",".join(_STEP_ON_ONE.sub(r"\1", term) for term in field.split(",")) for field in fields]
    rule = CronRule(" ".join(fields), follows_clock=fields[0].startswith("*") or fields[1].startswith("*"))
    if not _readable(rule.line):
        raise _unreadable(expression, fields, subject)
    return rule


def cron_times(rule: CronRule, *, after: datetime, until: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Yield the UTC instants after ``after`` and up to ``until`` at which ``rule`` fires, ascending."""
    # Second showings of repeated times, held back until the wall clock has come that far again.
    repeated: list[datetime] = []
    latest = after
    for local in _matches(rule, _search_start(after, zone)):
        instants = _instants(rule, local, zone)
        if not instants:
            continue
        if instants[0] > until:
            break
        for at in instants:
            heapq.heappush(repeated, at)
        while repeated and repeated[0] <= instants[0]:
            at = heapq.heappop(repeated)
            if at > latest:
                latest = at
                yield at
    while repeated and (at := heapq.heappop(repeated)) <= until:
        if at > latest:
            latest = at
            yield at


def _instants(rule: CronRule, local: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    if rule.follows_clock:
        return shown_at(local, zone)
    if skipped_by(local, zone) > _LARGEST_CHANGE:
        return ()
    return (one_instant(local, zone),)


def _search_start(after: datetime, zone: tzinfo) -> datetime:
    """Return a wall-clock time before any match that may fire after ``after``."""
    start = wall_time(after, zone)
    near = (after - _LARGEST_CHANGE, after + _LARGEST_CHANGE)
    if all(at.astimezone(zone).utcoffset() == after.astimezone(zone).utcoffset() for at in near):
        return start
    # What the clock showed before `after` may be shown again, or may have fallen into a gap.
    return start - _LARGEST_CHANGE


def _matches(rule: CronRule, start: datetime) -> Iterator[datetime]:
    try:
        yield from CronSim(rule.line, start)
    except (OverflowError, ValueError):
        # The calendar ends with the year 9999.
        return


def _readable(line: str) -> bool:
    try:
        CronSim(line, _SOME_TIME)
    except (CronSimError, ValueError):
        return False
    return True


def _last(allowed: str) -> str:
    return allowed.partition(" ")[0].partition("-")[2].rstrip(",")


def _alias(line: str, subject: str) -> str:
    alias = line.lower()
    if alias in ALIASES:
        return ALIASES[alias]
    if alias == "@reboot":
        why = "a start of the machine has no time that could be planned"
        raise build_refusal(subject, "cron", line, why, hint="Run the helper from a boot script, or take '@daily'.")
    close = get_close_matches(alias, ALIASES, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else f"Take one of {', '.join(ALIASES)}."
    raise build_refusal(subject, "cron", line, "there is no such alias", hint=hint)


def _wrong_count(expression: str, count: int, subject: str) -> InvalidSchedule:
    if count == len(_FIELDS) + 1:
        why = "six fields, but a crontab line has five and knows no seconds"
        hint = f"Write {_ORDER}, without seconds or user name; for less than a minute take 'every 30s'."
    else:
        why = f"{count} {'field' if count == 1 else 'fields'}, but a crontab line has five"
        hint = f"Write {_ORDER}, such as '0 9 * * 1-5'."
    return build_refusal(subject, "cron", expression, why, hint=hint)


def _unreadable(expression: str, fields: list[str], subject: str) -> InvalidSchedule:
    for index, (name, allowed) in enumerate(_FIELDS):
        alone = ["*"] * len(_FIELDS)
        alone[index] = fields[index]
        if not _readable(" ".join(alone)):
            hint = f"Take {allowed}; ranges such as 1-5, steps such as */2 or 1-9/2, and lists of these."
            return build_refusal(subject, "cron", expression, f"{name} '{fields[index]}' can't be read", hint=hint)
    why = f"no year has day '{fields[2]}' in month '{fields[3]}'"
    return build_refusal(subject, "cron", expression, why, hint="Take a day that the month has; 'L' is its last.")
