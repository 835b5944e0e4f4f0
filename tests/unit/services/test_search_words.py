"""A search in words: what it asks for, and what is said of a word that can't be understood."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from helperhub.errors import UsageError
from helperhub.model.execution import Status
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.search_words import join_filters, parse_query, suggest

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def parse(query: str) -> ExecutionFilter:
    return parse_query(query, lambda: NOW)


def test_empty_search_asks_for_all() -> None:
    assert parse("") == parse("  \t ") == ExecutionFilter()


def test_every_qualifier_is_understood() -> None:
    found = parse(
        'helper:weather/berlin status:error,expired queue:low since:2h until:2026-11-28T11:00:00+01:00 text:"timed out"'
        " metadata.app:crm metadata.user:7 boom"
    )

    assert found == ExecutionFilter(
        helper="weather/berlin",
        statuses=frozenset({Status.ERROR, Status.EXPIRED}),
        queue="low",
        since=NOW - timedelta(hours=2),
        until=NOW - timedelta(hours=2),
        metadata={"app": "crm", "user": "7"},
        terms=("timed out", "boom"),
    )


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("boom", ("boom",)),
        ("timed out", ("timed", "out")),
        ('"timed out"', ("timed out",)),
        ('"helper:weather"', ("helper:weather",)),
        ('"helper":weather', ("helper:weather",)),
        ('text:"a \\"b\\" \\\\ c"', ('a "b" \\ c',)),
        ("https://example.org/x", ("https://example.org/x",)),
        ("12:30", ("12:30",)),
        ("::1", ("::1",)),
        ('te"xt wi"th', ("text with",)),
        ("text:helper:x", ("helper:x",)),
        ("日本語", ("日本語",)),
        ("C:\\temp", None),
    ],
)
def test_other_words_are_text(query: str, terms: tuple[str, ...] | None) -> None:
    if terms is None:
        with pytest.raises(UsageError, match="'C:' is no qualifier"):
            parse(query)
    else:
        assert parse(query) == ExecutionFilter(terms=terms)


@pytest.mark.parametrize(
    ("word", "at"),
    [
        ("since:90s", NOW - timedelta(seconds=90)),
        ("since:1h30m", NOW - timedelta(minutes=90)),
        ("since:2026-11-27", datetime(2026, 11, 27, tzinfo=UTC)),
        ("since:2026-11-27T08:30", datetime(2026, 11, 27, 8, 30, tzinfo=UTC)),
        ('since:"2026-11-27 08:30:15"', datetime(2026, 11, 27, 8, 30, 15, tzinfo=UTC)),
        ("since:2026-11-27T08:30:00Z", datetime(2026, 11, 27, 8, 30, tzinfo=UTC)),
        ("since:2026-11-27T08:30:00+02:00", datetime(2026, 11, 27, 6, 30, tzinfo=UTC)),
        ("until:2026-11-27", datetime(2026, 11, 27, 23, 59, 59, 999_000, tzinfo=UTC)),
        ("until:7d", NOW - timedelta(days=7)),
        ("since:36500d", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_durations_back_from_now_days_or_instants(word: str, at: datetime) -> None:
    found = parse(word)

    assert (found.since or found.until) == at


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("hlper:weather", "'hlper:' is no qualifier.", "Did you mean 'helper:'?"),
        ("meta.app:crm", "'meta.app:' is no qualifier.", 'Put quotes around text that has a colon: "meta.app:crm".'),
        ("status:eror", "status: 'eror' is no state.", "Did you mean 'error'?"),
        ("status:error,", "status: '' is no state.", "There are planned, queued"),
        ("helper:", "'helper:' has nothing behind it.", "helper:weather"),
        ("helper:a helper:b", "'helper:' is there twice", ""),
        ("since:1h since:2h", "'since:' is there twice", ""),
        ("since:yesterday", "since: 'yesterday' is no time.", "2h, 7d"),
        ("since:5", "since: '5' is no time.", "2h, 7d"),
        ("since:999999d", "since: '999999d' is no time.", "2h, 7d"),
        ("until:2026-13-01", "until: '2026-13-01T00:00:00Z' is no time.", "2026-11-28"),
        ("since:1h until:2h", "since: is after until:", ""),
        ('text:"timed out', "aren't closed", "timed out"),
        ("--", "'--' has no letter or digit to search for.", ""),
        ("metadata.app:", "'metadata.app:' needs a name and a value.", "metadata.app:crm"),
        ("metadata.:crm", "'metadata.:crm' needs a name and a value.", "metadata.app:crm"),
        ("metadata.app:a metadata.app:b", "is there twice, with two values", ""),
        ("a" * 1001, "The search is too long", ""),
        ("a b c d e f g h i j k", "The search has 11 texts; 10 are allowed.", ""),
    ],
)
def test_word_that_cant_be_understood_is_named_with_what_to_write(query: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(query)

    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_search_and_options_are_joined() -> None:
    joined = join_filters(parse("helper:weather boom metadata.a:1"), ExecutionFilter(queue="low", metadata={"b": "2"}))

    assert joined == ExecutionFilter(helper="weather", queue="low", metadata={"a": "1", "b": "2"}, terms=("boom",))


@pytest.mark.parametrize(
    "options",
    [ExecutionFilter(helper="a"), ExecutionFilter(statuses=frozenset({Status.ERROR})), ExecutionFilter(since=NOW)],
)
def test_what_is_asked_for_in_the_search_and_beside_it_is_refused(options: ExecutionFilter) -> None:
    with pytest.raises(UsageError, match="is given twice"):
        join_filters(parse("helper:b status:success since:1h"), options)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("he", ["helper:"]),
        ("boom s", ["status:", "since:"]),
        ("me", ["metadata."]),
        ("helper:we", ["helper:weather", "helper:weather/berlin"]),
        ("boom queue:", ["queue:default", "queue:low"]),
        ("status:e", ["status:error", "status:expired"]),
        ("status:error,e", ["status:error,expired"]),
        ("since:2", ["since:24h"]),
        ('"status:e', []),
        ("unknown:x", []),
    ],
)
def test_last_word_is_completed_by_what_there_is(query: str, expected: list[str]) -> None:
    assert suggest(query, helpers={"weather/berlin", "weather", "tidy"}, queues=["low", "default"]) == expected


def test_suggestions_begin_with_all_qualifiers() -> None:
    assert suggest("", helpers=(), queues=()) == [
        *("helper:", "status:", "queue:", "since:", "until:", "text:"),
        "metadata.",
    ]
