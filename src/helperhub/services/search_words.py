"""A search as people write it: ``helper:weather status:error,expired since:2h "timed out" metadata.app:crm``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce

from helperhub.errors import UsageError
from helperhub.model.duration import parse_duration
from helperhub.model.execution import Status
from helperhub.model.instant import parse_instant
from helperhub.services.execution_filter import ExecutionFilter

METADATA = "metadata."
QUALIFIERS = ("helper", "status", "queue", "since", "until", "text")
#: Most characters of a query, and most texts in it.
MOST_CHARACTERS = 1000
MOST_TERMS = 10
#: Nothing ended before.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_STATUSES = tuple(one.value for one in Status)
_SPANS = ("1h", "24h", "7d", "30d")
_QUALIFIER = re.compile(r"([A-Za-z][\w.-]*):(?!//)(.*)", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NO_OFFSET = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(:\d\d(\.\d+)?)?)")


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a query.

    Args:
        text: As it was written, without its quotes.
        quoted_at: Where in it the first quoted part begins; None if nothing is quoted.
    """

    text: str
    quoted_at: int | None = None

    def split(self) -> tuple[str | None, str]:
        """Return the qualifier, or None, and the rest: what is in quotes has no qualifier in it."""
        found = _QUALIFIER.fullmatch(self.text)
        if found is None or (self.quoted_at is not None and self.quoted_at <= found.end(1)):
            return None, self.text
        return found[1], found[2]


def parse_query(query: str, now: Callable[[], datetime]) -> ExecutionFilter:
    """Return what a query asks for; an empty one asks for all.

    Args:
        query: Qualifiers, and texts that must occur; what has spaces in double quotes.
        now: What durations count back from; called if there is one.

    Raises:
        UsageError: A word can't be understood; the message names it.
    """
    if len(query) > MOST_CHARACTERS:
        message = f"The search is too long: {len(query)} characters, {MOST_CHARACTERS} are allowed."
        raise UsageError(message)
    found = reduce(lambda so_far, word: _add(so_far, word, now), _split_words(query), ExecutionFilter())
    if len(found.terms) > MOST_TERMS:
        message = f"The search has {len(found.terms)} texts; {MOST_TERMS} are allowed."
        raise UsageError(message)
    _check_times(found)
    return found


def _split_words(query: str) -> Iterator[_Word]:
    """Yield the words of a query: parted by spaces, but not within double quotes, where a backslash quotes a quote.

    Raises:
        UsageError: Quotes aren't closed.
    """
    at = 0
    while at < len(query):
        if query[at].isspace():
            at += 1
            continue
        word, at = _read_word(query, at)
        yield word


def _read_word(query: str, start: int) -> tuple[_Word, int]:
    text, quoted_at, is_open, at = "", None, False, start
    while at < len(query) and (is_open or not query[at].isspace()):
        one = query[at]
        if is_open and one == "\\" and query[at + 1 : at + 2] in ('"', "\\") and query[at + 1 : at + 2]:
            at += 1
            text += query[at]
        elif one == '"':
            is_open = not is_open
            quoted_at = len(text) if quoted_at is None else quoted_at
        else:
            text += one
        at += 1
    if is_open:
        message = f"The quotes in '{query[start:][:80]}' aren't closed."
        raise UsageError(message, hint='Write text:"timed out"; a quote within them is \\".')
    return _Word(text, quoted_at), at


def _add(found: ExecutionFilter, word: _Word, now: Callable[[], datetime]) -> ExecutionFilter:
    name, value = word.split()
    if name is None:
        return replace(found, terms=(*found.terms, _read_term(value)))
    if name.startswith(METADATA):
        return _add_metadata(found, name.removeprefix(METADATA), value)
    if name not in QUALIFIERS:
        raise _no_qualifier(name, value)
    if not value:
        message = f"'{name}:' has nothing behind it."
        raise UsageError(message, hint=f"Write it without a space: {name}:{_EXAMPLES[name]}.")
    return _add_value(found, name, value, now)


def _add_value(found: ExecutionFilter, name: str, value: str, now: Callable[[], datetime]) -> ExecutionFilter:
    if name == "text":
        return replace(found, terms=(*found.terms, _read_term(value)))
    if name == "status":
        return replace(found, statuses=found.statuses | _read_statuses(value))
    if getattr(found, name) is not None:
        message = f"'{name}:' is there twice; once is enough."
        raise UsageError(message)
    if name == "helper":
        return replace(found, helper=value)
    if name == "queue":
        return replace(found, queue=value)
    at = _read_when(name, value, now)
    return replace(found, since=at) if name == "since" else replace(found, until=at)


_EXAMPLES = {
    "helper": "weather",
    "status": "error,expired",
    "queue": "low",
    "since": "2h",
    "until": "2026-11-28",
    "text": '"timed out"',
}


def _read_term(text: str) -> str:
    if not any(one.isalnum() for one in text):
        message = f"'{text[:80]}' has no letter or digit to search for."
        raise UsageError(message)
    return text


def _read_statuses(value: str) -> frozenset[Status]:
    found = set()
    for one in value.split(","):
        if one not in _STATUSES:
            message = f"status: '{one[:80]}' is no state."
            raise UsageError(message, hint=_suggest_near(one, _STATUSES))
        found.add(Status(one))
    return frozenset(found)


def _add_metadata(found: ExecutionFilter, name: str, value: str) -> ExecutionFilter:
    if not name or not value:
        message = f"'{METADATA}{name}:{value}' needs a name and a value."
        raise UsageError(message, hint="Write it like metadata.app:crm.")
    known = dict(found.metadata or {})
    if known.setdefault(name, value) != value:
        message = f"'{METADATA}{name}:' is there twice, with two values."
        raise UsageError(message)
    return replace(found, metadata=known)


def _read_when(name: str, value: str, now: Callable[[], datetime]) -> datetime:
    """Return the moment that ``since`` or ``until`` names: a duration back from now, a time, or a day, in UTC.

    Raises:
        UsageError: It names none.
    """
    if _DATE.fullmatch(value):
        start = _read_moment(name, f"{value}T00:00:00Z")
        return start if name == "since" else start + timedelta(days=1, milliseconds=-1)
    no_offset = _NO_OFFSET.fullmatch(value)
    if no_offset is not None:
        return _read_moment(name, f"{no_offset[1]}T{no_offset[2]}Z")
    if value[:1].isdigit() and "-" not in value:
        return _ago(name, value, now)
    return _read_moment(name, value)


def _read_moment(name: str, text: str) -> datetime:
    try:
        return parse_instant(text)
    except UsageError as error:
        raise _no_moment(name, text) from error


def _ago(name: str, value: str, now: Callable[[], datetime]) -> datetime:
    try:
        duration = parse_duration(value)
    except UsageError as error:
        raise _no_moment(name, value) from error
    at = now()
    return at - min(duration, at - _FIRST)


def _no_moment(name: str, value: str) -> UsageError:
    hint = "Write a duration back from now (2h, 7d), a time (2026-11-28T10:00Z) or a day (2026-11-28)."
    return UsageError(f"{name}: '{value[:80]}' is no time.", hint=hint)


def _no_qualifier(name: str, value: str) -> UsageError:
    near = difflib.get_close_matches(name, [*QUALIFIERS, "metadata"], 1)
    meant = f"Did you mean '{near[0] if near[0] != 'metadata' else METADATA + 'NAME'}:'? " if near else ""
    hint = f'{meant}Put quotes around text that has a colon: "{name}:{value[:40]}".'
    return UsageError(f"'{name[:80]}:' is no qualifier.", hint=hint)


def _suggest_near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(known)}."


def _check_times(found: ExecutionFilter) -> None:
    if found.since is not None and found.until is not None and found.since > found.until:
        message = "since: is after until:, so nothing can fit."
        raise UsageError(message)


def join_filters(first: ExecutionFilter, second: ExecutionFilter) -> ExecutionFilter:
    """Return what both ask for, one written as a query and one as options.

    Raises:
        UsageError: Both name a helper, a queue, states or a time.
    """
    for name in ("helper", "queue", "since", "until"):
        if getattr(first, name) is not None and getattr(second, name) is not None:
            raise UsageError(_TWICE.format(name))
    if first.statuses and second.statuses:
        raise UsageError(_TWICE.format("status"))
    joined = ExecutionFilter(
        helper=first.helper or second.helper,
        statuses=first.statuses | second.statuses,
        queue=first.queue or second.queue,
        since=first.since or second.since,
        until=first.until or second.until,
        metadata={**(first.metadata or {}), **(second.metadata or {})} or None,
        terms=(*first.terms, *second.terms),
    )
    _check_times(joined)
    return joined


_TWICE = "'{}' is given twice: in the search and beside it."


def suggest(query: str, *, helpers: Iterable[str], queues: Iterable[str]) -> list[str]:
    """Return how the last word of a query may go on, whole words; empty where anything may come.

    Args:
        query: As far as it is written.
        helpers: Those there are, with their instances.
        queues: Those there are.
    """
    start = max(query.rfind(" "), query.rfind("\t")) + 1
    word = query[start:]
    if query.count('"') % 2:
        return []
    name, colon, value = word.partition(":")
    if not colon:
        known = [f"{one}:" for one in QUALIFIERS]
        return [one for one in [*known, METADATA] if one.startswith(word)]
    done, comma, last = value.rpartition(",") if name == "status" else ("", "", value)
    values = {"helper": sorted(helpers), "queue": sorted(queues), "status": _STATUSES, "since": _SPANS, "until": _SPANS}
    taken = done.split(",")
    return [f"{name}:{done}{comma}{one}" for one in values.get(name, ()) if one.startswith(last) and one not in taken]


__all__ = [
    "METADATA",
    "MOST_CHARACTERS",
    "QUALIFIERS",
    "join_filters",
    "parse_query",
    "suggest",
]
