"""The catalogue: changed under the revision its writer has read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helperhub.store.scripts import SpecChange

if TYPE_CHECKING:
    from tests.integration.store.conftest import Store

MINUTE_MS = 60_000


def test_every_change_raises_the_revision(store: Store) -> None:
    assert store.scripts.register([SpecChange("tidy", spec="{}")], revision=0) == (1, 0)
    assert store.scripts.register([SpecChange("tidy", spec="{}")], revision=1) == (2, 0)
    assert store.catalogue.revision() == 2


def test_writer_that_read_an_older_revision_writes_nothing(store: Store) -> None:
    store.scripts.register([SpecChange("tidy", spec="{}")], revision=0)
    before = store.snapshot()

    assert store.scripts.register([SpecChange("tidy", spec="-")], revision=0) == (-1, 0)
    assert store.snapshot() == before


def test_spec_and_override_are_written_and_dropped_apart(store: Store) -> None:
    store.scripts.register([SpecChange("tidy", spec='{"a":1}', override='{"b":2}')], revision=None)
    store.scripts.register([SpecChange("tidy", spec='{"a":3}')], revision=None)

    assert store.client.hget(store.key("overrides"), "tidy") == b'{"b":2}'

    store.scripts.register([SpecChange("tidy", override="-")], revision=None)

    assert store.client.hgetall(store.key("overrides")) == {}
    assert store.client.hget(store.key("catalogue"), "tidy") == b'{"a":3}'


def test_planning_anew_removes_what_is_to_come_and_starts_from_now(store: Store) -> None:
    store.register()
    now = store.now_ms()
    store.plan(("@1", now - 1_000), ("@2", now + MINUTE_MS), ("@3", now + 2 * MINUTE_MS))

    revision, removed = store.scripts.register([SpecChange("tidy", spec="{}", plan="renew")], revision=None)

    assert (revision, removed) == (2, 2)
    _, until, enabled = store.planned().split("|")
    assert until == enabled
    assert 0 <= int(until) - now < 1_000
    assert store.slots() == {"@1": now - 1_000}


def test_stopping_removes_what_is_to_come_and_what_is_due_stays(store: Store) -> None:
    store.register()
    now = store.now_ms()
    store.plan(("@1", now - 1_000), ("@2", now + MINUTE_MS))

    _, removed = store.scripts.register([SpecChange("tidy", plan="stop")], revision=None)

    assert removed == 1
    assert store.planned() == ""
    assert store.catalogue.next_due() == {"tidy": now - 1_000}
    store.promote("@1", now - 1_000)


def test_keeping_the_plan_changes_nothing_in_it(store: Store) -> None:
    state = store.register()
    due = store.now_ms() + MINUTE_MS
    store.plan(("@1", due), state=state)
    planned = store.planned()

    store.scripts.register([SpecChange("tidy", override="{}", plan="keep")], revision=None)

    assert (store.planned(), store.slots()) == (planned, {"@1": due})
