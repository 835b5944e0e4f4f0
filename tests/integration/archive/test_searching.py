"""The archive is searched alike in SQLite and PostgreSQL: all that fits, newest first, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event

from helperhub.archive import text_search, walking
from helperhub.archive.database import Database
from helperhub.archive.rows import Ended
from helperhub.archive.search import Place, Search
from helperhub.archive.searching import Reader
from helperhub.archive.upgrade import upgrade
from helperhub.archive.writing import Writer
from helperhub.model.execution import AttemptError, Execution, Status

START_MS = 1_790_000_000_000


@dataclass
class Archive:
    """An archive, and what was put there."""

    database: Database
    reader: Reader
    count: int = 0

    def put(self, *executions: Execution, at_ms: int | None = None) -> None:
        """Archive executions as they ended: one a second, or all in one ms."""
        ended = []
        for one in executions:
            self.count += 1
            ended.append(Ended(START_MS + self.count * 1000 if at_ms is None else at_ms, one))
        writer = Writer(self.database)
        assert writer.write(0, "ended", writer.place(0, "ended"), str(START_MS + self.count), ended)

    def find(self, limit: int = 7, **wanted: Any) -> list[str]:
        """Return the ids that a search finds, page by page."""
        found, before = [], None
        while True:
            part = self.reader.search(Search(**wanted), before=before, limit=limit)
            found += [one.execution.id for one in part.rows]
            if part.following is None:
                return found
            assert before is None or part.following < before
            before = part.following


@pytest.fixture
def archive(archive_url: str) -> Iterator[Archive]:
    database = Database(archive_url)
    upgrade(database, hub="searched")
    yield Archive(database, Reader(database))
    database.close()


def ended(id_: str, helper: str = "tidy", status: Status = Status.SUCCESS, **more: Any) -> Execution:
    more.setdefault("queue", "default")
    return Execution(id=id_, helper=helper, priority=3, status=status, **more)


def failed(id_: str, *texts: str, **more: Any) -> Execution:
    at = datetime(2026, 9, 1, tzinfo=UTC)
    errors = [
        AttemptError("ValueError", text, "", number, at + timedelta(seconds=number))
        for number, text in enumerate(texts, 1)
    ]
    return ended(id_, status=Status.ERROR, errors=tuple(errors), **more)


def ids(count: int) -> list[str]:
    return [f"n{number:03d}" for number in range(count)]


def test_pages_have_each_execution_once_newest_first(archive: Archive) -> None:
    archive.put(*(ended(id_) for id_ in ids(50)))

    for limit in (1, 7, 25, 50, 51):
        assert archive.find(limit) == ids(50)[::-1]


def test_what_ended_in_one_ms_stands_by_id_across_pages(archive: Archive) -> None:
    """By the rules of a language "a" comes before "B"; Python and SQLite put it behind."""
    names = ["B1", "a1", "Z", "_", "é", "n-1", "n1", "n#2", *ids(20)]
    archive.put(*(ended(id_) for id_ in names), at_ms=START_MS)

    for limit in (1, 3, 100):
        assert archive.find(limit) == sorted(names, reverse=True)


def test_helper_is_found_with_its_instances_or_one_of_them(archive: Archive) -> None:
    archive.put(ended("a"), ended("b", "tidy/x"), ended("c", "tidy/y"), ended("d", "tidyish"))

    assert archive.find(helper="tidy") == ["c", "b", "a"]
    assert archive.find(helper="tidy", instance="x") == ["b"]


def test_states_queue_and_helper_are_found_together(archive: Archive) -> None:
    states = [Status.SUCCESS, Status.ERROR, Status.EXPIRED, Status.CANCELLED, Status.SKIPPED]
    rows = [
        ended(
            f"n{number:03d}", ("tidy", "sort")[number % 2], states[number % 5], queue=("low", "high", "odd")[number % 3]
        )
        for number in range(90)
    ]
    archive.put(*rows)

    for statuses in ([], states, [Status.ERROR], [Status.SUCCESS], [Status.ERROR, Status.SKIPPED, Status.SUCCESS]):
        for helper in (None, "sort"):
            for queue in (None, "odd"):
                wanted = [
                    one.id
                    for one in reversed(rows)
                    if (not statuses or one.status in statuses)
                    and helper in (None, one.helper)
                    and queue in (None, one.queue)
                ]
                assert archive.find(helper=helper, queue=queue, statuses=frozenset(statuses)) == wanted


def test_since_and_until_are_part_of_what_is_found(archive: Archive) -> None:
    archive.put(*(ended(id_) for id_ in ids(9)))

    assert archive.find(2, since_ms=START_MS + 3000, until_ms=START_MS + 5000) == ["n004", "n003", "n002"]


def test_metadata_is_compared_as_text_and_all_of_it_must_fit(archive: Archive) -> None:
    archive.put(
        ended("a", metadata={"app": "crm", "n": 7}),
        ended("b", metadata={"app": "crm", "n": 8}, status=Status.ERROR),
        ended("c", metadata={"app": "shop", "n": 7}),
        ended("d", "sort", metadata={"app": "crm", "n": 7}),
    )

    assert archive.find(1, metadata={"app": "crm"}) == ["d", "b", "a"]
    assert archive.find(metadata={"app": "crm", "n": "7"}) == ["d", "a"]
    assert archive.find(metadata={"app": "crm", "n": "7"}, helper="tidy") == ["a"]
    assert archive.find(metadata={"app": "crm"}, statuses=frozenset({Status.ERROR, Status.EXPIRED})) == ["b"]
    assert archive.find(metadata={"app": "crm"}, terms=("nothing",)) == []


def test_text_is_found_in_reason_error_payload_and_result(archive: Archive) -> None:
    archive.put(
        ended("a", reason="replaced by a newer one"),
        failed("b", "first", "could not REPLACE it"),
        ended("c", payload={"note": ["Replacement"]}),
        ended("d", result="replaced"),
        ended("e", payload={"note": "other"}),
    )

    assert archive.find(1, terms=("replac",)) == ["d", "c", "b", "a"]
    assert archive.find(terms=("REPLAC", "newer")) == ["a"]
    assert archive.find(terms=("replac",), helper="tidy", statuses=frozenset({Status.ERROR})) == ["b"]
    assert archive.find(terms=("replaced by",)) == ["a"]


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("it's", "it's"),
        ("a'); DROP TABLE executions; --", "drop table"),
        ("100 % sure", "100 %"),
        ("under_score", "under_score"),
        ("back\\slash", "back\\slash"),
        ('said "hello there"', 'said "hello there"'),
        ("Überfällig", "überfällig"),
        ("timed-out", "timed-out"),
        ("a & b | !c:* <-> d", "b | !c:*"),
        ("日本語", "日本語"),
    ],
)
def test_text_is_data_whatever_stands_in_it(archive: Archive, text: str, term: str) -> None:
    archive.put(
        ended("other", payload={"note": "underXscore 999 sure backslash its"}), ended("a", payload={"note": text})
    )

    assert archive.find(terms=(term,)) == ["a"]


@pytest.mark.parametrize(("few", "span"), [(2_000, 0), (0, 40), (0, 1_000)], ids=["index", "short span", "span"])
def test_text_is_found_on_every_way_to_it(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, few: int, span: int
) -> None:
    """Rare words, frequent ones and those in between go different ways; all must find the same."""
    monkeypatch.setattr(text_search, "FEW", few)
    monkeypatch.setattr(text_search, "_LONGEST_SPAN", span)
    monkeypatch.setattr(text_search, "_RARE", 0.5 if few else 0.0)
    monkeypatch.setattr(text_search, "_STEP", 11)
    words = ["often" if number % 2 else "seldom" if number % 29 == 0 else "else" for number in range(300)]
    rows = [
        ended(f"n{number:03d}", ("tidy", "sort")[number % 3 == 0], payload={"word": word}, metadata={"app": "x"})
        for number, word in enumerate(words)
    ]
    archive.put(*rows)
    with archive.database.write() as connection:
        connection.exec_driver_sql("ANALYZE executions")

    for most in (300_000, 0):
        monkeypatch.setattr(text_search, "MANY", most)
        for word in ("often", "seldom", "else", "never"):
            for helper in (None, "sort"):
                for metadata in ({}, {"app": "x"}):
                    wanted = [
                        one.id for one in reversed(rows) if one.payload["word"] == word and helper in (None, one.helper)
                    ]
                    assert archive.find(5, terms=(word,), helper=helper, metadata=metadata) == wanted


def test_search_for_what_is_rare_looks_at_so_many_rows_and_says_where_to_go_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "MOST_LOOKED", 20)
    monkeypatch.setattr(walking.Walk.go, "__kwdefaults__", {"look": 20})
    archive.put(ended("old", "tidy/rare"), *(ended(id_) for id_ in ids(100)))

    part = archive.reader.search(Search(helper="tidy", instance="rare"), limit=5)

    assert list(part.rows) == []
    assert part.following == (START_MS + 82_000, "n080")
    assert archive.find(5, helper="tidy", instance="rare") == ["old"]


def test_attempts_of_a_page_come_in_one_query(archive: Archive) -> None:
    archive.put(*(failed(id_, f"first of {id_}", f"last of {id_}") for id_ in ids(30)))
    statements: list[str] = []
    event.listen(archive.database._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    page = archive.reader.search(Search(), limit=30)

    assert [one.execution.errors[0].message for one in page.rows] == [f"first of {id_}" for id_ in ids(30)[::-1]]
    assert [len(one.execution.errors) for one in page.rows] == [2] * 30
    assert sum("FROM attempts" in statement for statement in statements) == 1


def test_one_execution_is_found_by_id_as_it_was(archive: Archive) -> None:
    given = failed(
        "a/b#c",
        "first",
        "second",
        helper="weather/berlin",
        payload={"city": "Berlin"},
        metadata={"app": "crm"},
        attempt=2,
    )
    archive.put(given)

    assert archive.reader.get("a/b#c") == given
    assert archive.reader.get("nobody") is None


def test_index_answers_in_order_of_time(archive: Archive) -> None:
    """A search that sorts all it finds takes as long as the archive is large."""
    archive.put(
        *(ended(id_, status=Status.ERROR if number % 7 == 0 else Status.SUCCESS) for number, id_ in enumerate(ids(200)))
    )
    searches: Sequence[Search] = [
        Search(),
        Search(helper="tidy"),
        Search(queue="default"),
        Search(statuses=frozenset({Status.ERROR})),
        Search(helper="tidy", statuses=frozenset({Status.ERROR})),
        Search(queue="default", statuses=frozenset({Status.ERROR})),
    ]

    for search, index in zip(
        searches, ("end", "helper", "queue", "status", "helper_failure", "queue_failure"), strict=True
    ):
        assert f"executions_by_{index}" in plan_of(archive, search)


def plan_of(archive: Archive, search: Search) -> str:
    """Return what the database says of how it would run the first statement of a search."""
    seen: list[tuple[str, Any]] = []
    event.listen(archive.database._engine, "before_cursor_execute", lambda *args: seen.append((args[2], args[3])))
    before: Place = (START_MS + 10**9, "")
    archive.reader.search(search, before=before, limit=3)
    statement, values = next((text, values) for text, values in seen if "FROM executions" in text)
    explain = "EXPLAIN " if archive.database.is_postgres else "EXPLAIN QUERY PLAN "
    with archive.database.read() as connection:
        if archive.database.is_postgres:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_sort = off")
        rows = connection.exec_driver_sql(explain + statement, values).all()
    return "\n".join(str(part) for row in rows for part in row)


def test_places_go_strictly_down(archive: Archive) -> None:
    archive.put(*(ended(id_) for id_ in ids(10)), at_ms=START_MS)
    archive.put(*(ended(f"m{id_}") for id_ in ids(10)))

    places = [one.place for one in archive.reader.search(Search(), limit=100).rows]

    assert all(after < before for before, after in pairwise(places))
