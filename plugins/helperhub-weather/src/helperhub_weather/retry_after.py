"""The ``Retry-After`` header (RFC 9110, section 10.2.3): seconds or an HTTP date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: A server that asks for more than this is asked again all the same.
LONGEST = timedelta(hours=1)
_SHORTEST = timedelta(seconds=1)


def parse_retry_after(header: str | None, *, now: datetime) -> timedelta | None:
    """Return how long the server asks to be left alone, between 1 second and 1 hour.

    Args:
        header: The header's value, or None if there was none.
        now: The server's own time where it is known, since a date in the header is the server's.

    Returns:
        None if there is no header, or none that can be understood.
    """
    text = (header or "").strip()
    # Nine digits are 31 years: longer ones would only overflow a timedelta.
    wait = timedelta(seconds=int(text[:9])) if text.isascii() and text.isdigit() else _until(text, now)
    return None if wait is None else min(max(wait, _SHORTEST), LONGEST)


def parse_http_date(text: str | None) -> datetime | None:
    """Return the instant that an HTTP date names, or None if it names none."""
    try:
        instant = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    # HTTP dates are in GMT by definition; "-0000" makes the parser forget it.
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant


def _until(text: str, now: datetime) -> timedelta | None:
    instant = parse_http_date(text)
    return None if instant is None else instant - now
