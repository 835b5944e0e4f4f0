"""Redis and archive are read as one list: nothing twice, nothing left out, wherever the seam is."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from sqlalchemy import text
from tests.integration.conftest import wait_until
from tests.integration.services.test_execution_pages import cancelled, walk
from tests.integration.services.test_executions import give_up, signed

from helperhub import Hub
from helperhub.archive.database import Database
from helperhub.archive.walking import Walk
from helperhub.errors import ArchiveError, ArchiveTooSlow, Conflict, NotFound
from helperhub.model.execution import Status
from helperhub.model.instant import epoch_ms
from helperhub.services import execution_pages
from helperhub.services.archived import ArchiveState
from helperhub.services.archiving import Archiver
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.execution_pages import find_page
from helperhub.store.body import Envelope
from helperhub.store.record import Record
from helperhub.store.scripts import Publication, Settlement
from helperhub.testing.running import build_hub
from helperhub.trust.keyring import new_key

ERRORS = ExecutionFilter(statuses=frozenset({Status.ERROR}))


def trim(hub: Hub) -> None:
    """End the history in Redis of all that is archived, whatever its age; what is dead stays."""
    for kind in "sf":
        hub.scripts.trim("default", kind, keep_ms=-10_000, limit=10_000, bound_bytes=0, held=True)


def has_passed(hub: Hub, at: datetime) -> bool:
    """Return whether Redis's clock shows another ms."""
    return hub.scripts.due(limit=1).now_ms > epoch_ms(at)


def names(start: int, stop: int) -> list[str]:
    return [f"n{number:03d}" for number in range(start, stop)]


def test_list_goes_on_in_the_archive_where_redis_ends(hub: Hub, archiver: Archiver) -> None:
    cancelled(hub, names(0, 40))
    archiver.advance()
    trim(hub)
    cancelled(hub, names(40, 60))

    for limit in (1, 7, 60, 100):
        assert walk(hub, ExecutionFilter(), limit) == names(0, 60)[::-1]
        assert walk(hub, ExecutionFilter(helper="tidy"), limit) == names(0, 60)[::-1]


def test_archiver_that_moves_on_between_pages_moves_no_row(hub: Hub, archiver: Archiver) -> None:
    cancelled(hub, names(0, 20))
    archiver.advance()
    cancelled(hub, names(20, 60))
    found: list[str] = []
    place: Any = None

    for number in range(100):
        page = find_page(hub.executions, ExecutionFilter(helper="tidy"), limit=3, place=place)
        found += [one.id for one in page.executions]
        place = page.following
        if place is None:
            break
        if number == 5:
            archiver.advance()
            trim(hub)
        cancelled(hub, [f"later{number:03d}"], helper="sort")

    assert found == names(0, 60)[::-1]


def test_what_ended_in_one_ms_is_parted_by_no_seam(hub: Hub, archiver: Archiver) -> None:
    cancelled(hub, names(0, 150), at_once=True)
    first = find_page(hub.executions, ExecutionFilter(), limit=40)
    archiver.advance()
    trim(hub)

    second = find_page(hub.executions, ExecutionFilter(), limit=200, place=first.following)

    assert [one.id for one in (*first.executions, *second.executions)] == names(0, 150)[::-1]


def test_errors_are_dead_letters_and_archived_ones_each_once(hub: Hub, archiver: Archiver) -> None:
    give_up(hub, ["a", "b", "c", "d"])
    hub.dead_letters.replay(["b"])
    archiver.advance()
    hub.dead_letters.delete(["c"])
    trim(hub)
    give_up(hub, ["e", "f"])

    for limit in (1, 2, 9):
        assert walk(hub, ERRORS, limit) == ["f", "e", "d", "c", "b", "a"]
    with_helper = ExecutionFilter(helper="tidy", statuses=ERRORS.statuses)
    assert walk(hub, with_helper, 2) == ["f", "e", "d", "c", "b", "a"]


def test_dead_letter_that_was_deleted_long_after_is_listed_once(hub: Hub, archiver: Archiver) -> None:
    """It is entered in the history anew, and the archive had it at its old place."""
    give_up(hub, ["a", "b"])
    archiver.advance()
    trim(hub)
    cancelled(hub, ["c"])

    hub.dead_letters.delete(["a"])

    assert sorted(walk(hub, ExecutionFilter(), 9)) == ["a", "b", "c"]
    archiver.advance()
    assert sorted(walk(hub, ExecutionFilter(), 2)) == ["a", "b", "c"]


def test_dead_letter_that_is_replayed_between_pages_comes_once(hub: Hub, archiver: Archiver) -> None:
    give_up(hub, names(0, 6))
    archiver.advance()

    first = find_page(hub.executions, ERRORS, limit=2)
    hub.dead_letters.replay(["n005", "n001"])
    second = find_page(hub.executions, ERRORS, limit=9, place=first.following)

    assert [one.id for one in (*first.executions, *second.executions)] == names(0, 6)[::-1]


def test_times_count_on_both_sides_of_the_seam(hub: Hub, archiver: Archiver) -> None:
    def end(id_: str) -> datetime:
        at = hub.executions.get(id_).finished_at
        assert at is not None
        return at

    for number in range(8):
        cancelled(hub, [f"n{number}"])
        wait_until(partial(has_passed, hub, end(f"n{number}")))
        if number == 4:
            archiver.advance()
            trim(hub)

    for helper in (None, "tidy"):
        between = ExecutionFilter(helper=helper, since=end("n2"), until=end("n6"))
        assert walk(hub, between, 2) == ["n6", "n5", "n4", "n3", "n2"]
        assert walk(hub, ExecutionFilter(helper=helper, until=end("n3")), 2) == ["n3", "n2", "n1", "n0"]
        assert walk(hub, ExecutionFilter(helper=helper, since=end("n5")), 2) == ["n7", "n6", "n5"]


def test_text_is_found_on_both_sides_of_the_seam(hub: Hub, archiver: Archiver) -> None:
    for number in range(6):
        hub.scripts.publish([signed(hub, f"n{number}", Record(helper="tidy", call=f"n{number}"))])
        hub.scripts.cancel([f"n{number}"], reason=f"the disk is full: {('red', 'blue')[number % 2]}")
        if number == 3:
            archiver.advance()
            trim(hub)

    assert walk(hub, ExecutionFilter(terms=("disk is full", "blue")), 2) == ["n5", "n3", "n1"]
    assert walk(hub, ExecutionFilter(terms=("nowhere",)), 2) == []


def test_search_in_words_counts_back_from_redis_time_and_is_completed_by_what_there_is(hub: Hub) -> None:
    cancelled(hub, ["a"])

    wanted = hub.executions.read_query("since:1h status:cancelled")

    assert wanted.since is not None
    assert abs(epoch_ms(wanted.since) + 3_600_000 - hub.scripts.due(limit=1).now_ms) < 10_000
    assert walk(hub, wanted, 5) == ["a"]
    assert hub.executions.suggest("status:cancelled queue:d") == ["queue:default"]


def test_archived_execution_is_shown_and_explained(hub: Hub, archiver: Archiver) -> None:
    finish(hub, "a", b'{"t": 17.5}')
    shown = hub.executions.show("a")
    archiver.advance()
    trim(hub)

    assert hub.scripts.client.get(hub.scripts.keys.record("a")) is None
    assert hub.executions.show("a") == shown
    assert hub.wait("a", timeout=timedelta(seconds=5)) == shown
    assert hub.why("a").why == "It is over: success."


def test_what_only_the_archive_has_is_neither_replayed_nor_cancelled(hub: Hub, archiver: Archiver) -> None:
    finish(hub, "a", b"1")
    archiver.advance()
    trim(hub)

    with pytest.raises(Conflict, match="only the archive has it: it can't be replayed"):
        hub.executions.replay(["a"])
    with pytest.raises(Conflict, match="can't be cancelled"):
        hub.executions.cancel("a", reason="")
    with pytest.raises(NotFound):
        hub.executions.replay(["nobody"])


def finish(hub: Hub, id_: str, result: bytes) -> None:
    hub.scripts.publish([signed(hub, id_, Record(helper="tidy", call=id_))])
    hub.scripts.join("w", lease_ms=60_000, about={"queues": "default"})
    hub.scripts.claim("w", ["default"], number=1, want=1, will_wait=False, waited=False)
    hub.scripts.settle("w", [Settlement(id_, 1, "done", result=result)])


def test_page_says_until_when_the_archive_was_read(hub: Hub, archiver: Archiver) -> None:
    cancelled(hub, ["a"])
    before = find_page(hub.executions, ExecutionFilter(), limit=5).archive
    archiver.advance()
    after = find_page(hub.executions, ExecutionFilter(), limit=5).archive

    assert before is not None
    assert before.state is ArchiveState.NONE
    assert after is not None
    assert after.state is ArchiveState.READ
    assert after.until_ms is not None
    assert abs(after.until_ms - hub.scripts.due(limit=1).now_ms) < 10_000


def test_archive_that_is_away_leaves_what_redis_has_and_says_so(
    hub: Hub, archiver: Archiver, database: Database
) -> None:
    cancelled(hub, names(0, 5))
    archiver.advance()
    trim(hub)
    cancelled(hub, names(5, 8))
    with database.write() as connection:
        connection.execute(text("ALTER TABLE places RENAME TO places_gone"))

    page = find_page(hub.executions, ExecutionFilter(), limit=9)

    assert [one.id for one in page.executions] == names(5, 8)[::-1]
    assert page.archive is not None
    assert page.archive.state is ArchiveState.AWAY
    assert "places" in page.archive.problem
    with pytest.raises(NotFound) as caught:
        hub.executions.get("n000")
    assert "can't be read now" in caught.value.hint


def test_search_that_takes_too_long_says_so_and_leaves_the_archive_to_others(
    hub: Hub, archiver: Archiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not database.is_postgres:
        pytest.skip("SQLite's searches have no time limit")
    cancelled(hub, ["a", "b"])
    archiver.advance()
    with database.write() as connection:
        connection.execute(text("ALTER TABLE executions RENAME TO kept"))
        slow = "CREATE VIEW executions AS SELECT kept.* FROM kept, LATERAL (SELECT pg_sleep(length(kept.id))) AS slow"
        connection.execute(text(slow))
    monkeypatch.setattr("helperhub.archive.database.READ_TIMEOUT_S", 0.2)

    with pytest.raises(ArchiveTooSlow, match="had no answer after") as caught:
        find_page(hub.executions, ExecutionFilter(), limit=5)

    assert "Narrow the search" in caught.value.hint
    assert hub.archived.view().state is ArchiveState.READ


def test_archive_that_goes_away_within_a_page_leaves_what_redis_has(
    hub: Hub, archiver: Archiver, database: Database
) -> None:
    cancelled(hub, names(0, 9))
    archiver.advance()
    give_up(hub, ["failed"])
    with database.write() as connection:
        connection.execute(text("ALTER TABLE executions RENAME TO executions_gone"))

    page = find_page(hub.executions, ExecutionFilter(), limit=20)

    assert [one.id for one in page.executions] == ["failed", *names(0, 9)[::-1]]
    assert page.archive is not None
    assert page.archive.state is ArchiveState.AWAY
    with pytest.raises(ArchiveError):
        list(hub.executions.history(ExecutionFilter(), strict=True).found())


def test_archive_that_is_away_isnt_asked_again_at_once_and_is_read_once_it_is_back(
    hub: Hub, archiver: Archiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled(hub, ["a"])
    archiver.advance()
    trim(hub)
    with database.write() as connection:
        connection.execute(text("ALTER TABLE places RENAME TO places_gone"))
    assert hub.archived.view().state is ArchiveState.AWAY
    with database.write() as connection:
        connection.execute(text("ALTER TABLE places_gone RENAME TO places"))

    assert hub.archived.view().state is ArchiveState.AWAY
    monkeypatch.setattr(time, "monotonic", lambda: 10.0**12)
    assert hub.archived.view().state is ArchiveState.READ
    assert walk(hub, ExecutionFilter(), 5) == ["a"]


def test_search_for_what_is_rare_gives_short_pages_that_lead_to_it(
    hub: Hub, archiver: Archiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled(hub, ["rare"], helper="tidy/rare")
    cancelled(hub, names(0, 60))
    archiver.advance()
    trim(hub)
    monkeypatch.setattr(Walk.go, "__kwdefaults__", {"look": 20})
    monkeypatch.setattr(execution_pages, "_PATIENCE_S", -1.0)

    assert walk(hub, ExecutionFilter(helper="tidy/rare"), 5) == ["rare"]


def test_page_of_errors_that_arent_there_ends_at_the_first_pause(
    hub: Hub, archiver: Archiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went on until it had a chunk of rows to ask about, which may be never."""
    for id_ in names(0, 100):
        hub.scripts.publish([signed(hub, id_, Record(helper="tidy", call=id_, metadata=b'{"app":"x"}'))])
    hub.scripts.cancel(names(0, 100), reason="")
    archiver.advance()
    trim(hub)
    monkeypatch.setattr(Walk.go, "__kwdefaults__", {"look": 20})
    monkeypatch.setattr(execution_pages, "_PATIENCE_S", -1.0)
    wanted = ExecutionFilter(statuses=ERRORS.statuses, metadata={"app": "x"})

    first = find_page(hub.executions, wanted, limit=5)

    assert first.executions == []
    assert first.following is not None
    assert first.following["at"][1][1] == "n080"
    assert walk(hub, wanted, 5) == []


def test_encrypted_payload_is_opened_where_the_key_is(
    redis_url: str, hub_name: str, archive_url: str, tmp_path: Path
) -> None:
    common = {
        "HELPERHUB_HUB": hub_name,
        "HELPERHUB_DATABASE_URL": archive_url,
        "HELPERHUB_DATA_DIR": str(tmp_path / "data"),
    }
    sealing = build_hub((), url=redis_url, settings={**common, "HELPERHUB_ENCRYPTION__KEYS": str(new_key("new"))})
    sealing.upgrade_archive()
    actor = dramatiq.actor(actor_name="note", broker=sealing.broker)(print)
    sent = actor.send({"password": "correct horse"}).message_id
    sealing.executions.cancel(sent, reason="")
    sealing.build_archiver().advance()
    trim(sealing)
    without = build_hub((), url=redis_url, settings=common)

    opened, closed = (hub.executions.get(sent).payload for hub in (sealing, without))

    assert opened == {"password": "correct horse"}
    assert "encrypted with the key 'new'" in closed["unreadable"]
    assert walk(sealing, ExecutionFilter(), 5) == [sent]
    for hub in (without, sealing):
        hub.close()


def test_payload_that_only_looks_sealed_is_shown_as_it_is(hub: Hub, archiver: Archiver) -> None:
    record = Record(helper="tidy", call="a")
    record.body = hub.envelopes.pack("a", record, Envelope(args=({"$sealed": "no base64 at all"},)))
    hub.scripts.publish([Publication("a", record)])
    hub.scripts.cancel(["a"], reason="")
    archiver.advance()
    trim(hub)

    assert hub.executions.get("a").payload == {"$sealed": "no base64 at all"}
