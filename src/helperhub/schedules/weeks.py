"""Weeks from Monday to Sunday in a zone, named as ISO 8601 does: ``2026-W47``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self

from helperhub.errors import UsageError
from helperhub.schedules.zones import load_zone

_FORM = re.compile(r"(\d{4})-?W(\d{2})", re.ASCII)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Week:
    """One week in a zone.

    Args:
        monday: Its first day.
        timezone: IANA name.
    """

    monday: date
    timezone: str

    @classmethod
    def parse(cls, text: str, timezone: str) -> Self:
        """Return the week of that name.

        Raises:
            UsageError: There is no such week, or no such zone.
        """
        found = _FORM.fullmatch(text.strip().upper())
        hint = "Write it as 2026-W47: the year, and the number of the week as ISO 8601 counts."
        if found is None:
            message = f"'{text[:80]}' is no week."
            raise UsageError(message, hint=hint)
        load_zone(timezone)
        try:
            week = cls(date.fromisocalendar(int(found[1]), int(found[2]), 1), timezone)
            # The first and the last year of the calendar have no week before, or no end.
            _ = week.previous().day_start(0), week.day_start(8)
        except (ValueError, OverflowError) as error:
            message = f"There is no week {text}."
            raise UsageError(message, hint=hint) from error
        return week

    @classmethod
    def last_before(cls, now: datetime, timezone: str) -> Self:
        """Return the last week that is over at ``now``.

        Raises:
            UsageError: There is no such zone.
        """
        today = now.astimezone(load_zone(timezone)).date()
        return cls(today - timedelta(days=today.weekday() + 7), timezone)

    @property
    def name(self) -> str:
        """Its ISO 8601 name."""
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"

    def previous(self) -> Week:
        """Return the week before."""
        return Week(self.monday - timedelta(days=7), self.timezone)

    def dates(self) -> list[date]:
        """Return its days."""
        return [self.monday + timedelta(days=days) for days in range(7)]

    def day_start(self, number: int) -> datetime:
        """Return when a day begins, UTC: 0 is Monday, 7 the Monday after.

        Of zones that aren't whole hours from UTC it is the whole hour before: nothing is counted by less.
        """
        midnight = datetime.combine(self.monday + timedelta(days=number), time(), load_zone(self.timezone))
        start = midnight.astimezone(UTC)
        return start - (start - datetime.min.replace(tzinfo=UTC)) % _HOUR


__all__ = ["Week"]
