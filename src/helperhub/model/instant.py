"""Aware UTC instants, and the two numbers and two texts they travel as."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from helperhub.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = "%Y%m%dT%H%M%SZ"
_STAMP_PARTS = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)


def from_ms(epoch_ms: int) -> datetime:
    """Return the UTC instant ``epoch_ms`` milliseconds after 1970-01-01."""
    return _EPOCH + timedelta(milliseconds=epoch_ms)


def epoch_ms(at: datetime) -> int:
    """Return the milliseconds from 1970-01-01 UTC to ``at``, which must be aware."""
    since = at - _EPOCH
    # By hand: dividing one duration by another takes twice as long, and all that is archived comes through here.
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def to_stamp(at: datetime) -> str:
    """Return ``at`` as the second of an execution id, such as ``20261123T083000Z``."""
    return at.astimezone(UTC).strftime(_STAMP)


def from_stamp(stamp: str) -> datetime:
    """Return the instant a stamp of `to_stamp` names.

    Raises:
        UsageError: ``stamp`` isn't of the form ``20261123T083000Z``.
    """
    found = _STAMP_PARTS.fullmatch(stamp)
    try:
        if found is None:
            raise ValueError  # noqa: TRY301 - refused below, like a 13th month
        # Read by hand: strptime takes ten times as long, and every due time comes through here.
        year, month, day, hour, minute, second = map(int, found.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        message = f"'{stamp}' is not a planned time."
        raise UsageError(message, hint="It looks like 20261123T083000Z.") from error


def to_rfc3339(at: datetime) -> str:
    """Return ``at`` in UTC as RFC 3339 text, with milliseconds only where there are any."""
    utc = at.astimezone(UTC)
    spec = "milliseconds" if utc.microsecond else "seconds"
    return utc.isoformat(timespec=spec).replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """Return the aware UTC instant that RFC 3339 ``text`` names.

    Raises:
        UsageError: ``text`` isn't RFC 3339, names no offset, or leaves the calendar in UTC.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        message = f"'{text}' is not a time."
        raise UsageError(message, hint="Write it like 2026-11-23T08:30:00Z.") from error
    if at.tzinfo is None:
        message = f"'{text}' names no offset from UTC."
        raise UsageError(message, hint=f"Write '{text.strip()}Z' for UTC, or with an offset such as +01:00.")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        message = f"'{text}' is before the year 1 or after 9999 in UTC."
        raise UsageError(message, hint="Write it like 2026-11-23T08:30:00Z.") from error
