"""Time zones by their IANA names."""

from __future__ import annotations

from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from helperhub.schedules.refusal import UNNAMED, build_refusal


def load_zone(name: str, *, subject: str = UNNAMED) -> ZoneInfo:
    """Return the zone of that name.

    Args:
        name: IANA name such as ``Europe/Berlin``.
        subject: Whose zone it is, for the message.

    Raises:
        InvalidSchedule: There is no such zone.
    """
    try:
        return ZoneInfo(name)
    # OSError: a directory such as 'Europe'. ValueError: a path that leaves the database.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise build_refusal(subject, "time zone", name, "there is no such zone", hint=_suggest(name)) from error


def _suggest(name: str) -> str:
    by_folded = {zone.casefold(): zone for zone in available_timezones()}
    # People leave the region out ('Berlin') or take a blank for the underscore ('America/New York').
    wanted = name.strip().casefold().replace(" ", "_")
    by_city = {folded.rpartition("/")[2]: zone for folded, zone in by_folded.items()}
    for names in (by_folded, by_city):
        close = get_close_matches(wanted, names, n=3, cutoff=0.75)
        if close:
            return f"Did you mean {' or '.join(f'{names[folded]!r}' for folded in close)}?"
    return "Write an IANA name such as 'Europe/Berlin' or 'UTC'."
