"""Changing helpers: what one operator does isn't undone by another, nor by a release."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from helperhub import Every, Hub
from helperhub.errors import InvalidHelper, NotFound, UsageError
from helperhub.model.helper import HelperSpec, Override
from helperhub.schedules.spec_document import override_to_document
from helperhub.services.helpers import HelperUpdate
from helperhub.store.catalogue import OVERRIDE
from helperhub.store.scripts import SpecChange

HOURLY = {"": Every(timedelta(hours=1))}


def register(hub: Hub, name: str = "tidy", **fields: Any) -> None:
    hub.helpers.register([HelperSpec(name, **{"schedules": HOURLY, **fields})], exclusive=False)


def both(*works: Callable[[], object]) -> None:
    """Do all of these at the same time, and wait for them."""
    ready = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        ready.wait()
        work()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_changes_made_at_the_same_time_are_all_kept(hub: Hub) -> None:
    """Each wrote the whole override as it had read it, so that one of the changes was lost."""
    register(hub)

    for _ in range(5):
        hub.helpers.reset("tidy")
        both(
            lambda: hub.helpers.update("tidy", HelperUpdate(priority=1)),
            lambda: hub.helpers.update("tidy", HelperUpdate(expires_after=timedelta(minutes=7))),
            lambda: hub.helpers.disable("tidy"),
        )

        spec = hub.helpers.row("tidy").spec
        assert (spec.priority, spec.expires_after, spec.enabled) == (1, timedelta(minutes=7), False)


def test_disabling_and_enabling_answer_how_many_due_times_changed(hub: Hub) -> None:
    register(hub)

    disabled = hub.helpers.disable("tidy", reason="noisy")
    enabled = hub.helpers.enable("tidy")

    assert (disabled.enabled, disabled.removed, disabled.planned) == (False, 2, 0)
    assert (enabled.enabled, enabled.removed, enabled.planned) == (True, 0, 2)
    override = hub.helpers.row("tidy").override
    assert override is not None
    assert override.enabled is True


def test_disabling_twice_removes_nothing_twice(hub: Hub) -> None:
    register(hub)
    hub.helpers.disable("tidy")

    assert hub.helpers.disable("tidy").removed == 0


def test_change_of_priority_leaves_the_plan_as_it_is(hub: Hub) -> None:
    register(hub)
    before = hub.catalogue.read().rows["tidy"].planned

    change = hub.helpers.update("tidy", HelperUpdate(priority=1))

    assert (change.removed, change.planned) == (0, 0)
    assert hub.catalogue.read().rows["tidy"].planned == before


def test_operators_changes_survive_a_new_release_of_the_plugin(hub: Hub) -> None:
    register(hub, plugin_version="1.0")
    hub.helpers.update("tidy", HelperUpdate(priority=1, enabled=False))

    register(hub, plugin_version="1.1", priority=4, description="new")

    spec = hub.helpers.row("tidy").spec
    assert (spec.priority, spec.enabled, spec.description) == (1, False, "new")
    assert hub.plan.upcoming() == []


@pytest.mark.parametrize(
    ("lower", "higher"), [("1.9", "1.10"), ("1.10rc1", "1.10"), ("1.0.dev3", "1.0b1"), ("2.0", "2.0.post1")]
)
def test_lower_version_doesnt_overwrite_a_higher_one(hub: Hub, lower: str, higher: str) -> None:
    register(hub, plugin_version=lower, description="first")
    register(hub, plugin_version=higher, description="new")

    register(hub, plugin_version=lower, description="old")

    assert hub.helpers.row("tidy").spec.description == "new"


def test_two_processes_that_register_at_the_same_time_both_have_their_helpers(hub: Hub) -> None:
    both(*(lambda n=number: register(hub, f"h{n}") for number in range(4)))

    assert sorted(hub.catalogue.read().rows) == ["h0", "h1", "h2", "h3"]
    assert len(hub.plan.upcoming()) == 8


def test_registering_what_is_known_changes_nothing(hub: Hub) -> None:
    register(hub)
    revision = hub.catalogue.revision()

    register(hub)

    assert hub.catalogue.revision() == revision


def test_value_out_of_range_is_refused_and_nothing_is_written(hub: Hub) -> None:
    register(hub)
    revision = hub.catalogue.revision()

    with pytest.raises(InvalidHelper, match="priority 9"):
        hub.helpers.update("tidy", HelperUpdate(priority=9))
    with pytest.raises(UsageError):
        hub.helpers.update("tidy", HelperUpdate(expires_after=timedelta(0)))

    assert hub.catalogue.revision() == revision


def test_unknown_helper_is_named_with_the_closest(hub: Hub) -> None:
    register(hub, "weather")

    with pytest.raises(NotFound, match="Did you mean 'weather'"):
        hub.helpers.disable("wether")


def test_instance_made_at_run_time_goes_when_it_is_reset(hub: Hub) -> None:
    register(hub)
    made = hub.helpers.update("tidy/attic", HelperUpdate(schedules=HOURLY), create=True)
    assert made.planned == 2

    hub.helpers.reset("tidy/attic")

    assert "tidy/attic" not in hub.catalogue.read().rows
    assert {execution.helper for execution in hub.plan.upcoming()} == {"tidy"}


def test_entry_that_cant_be_read_costs_the_others_nothing(hub: Hub) -> None:
    register(hub)
    register(hub, "other")
    hub.scripts.client.hset(hub.scripts.keys.at("catalogue"), "tidy", "{broken")

    snapshot = hub.catalogue.read()

    assert list(snapshot.rows) == ["other"]
    assert "tidy" in snapshot.unreadable


def test_fields_that_a_newer_release_wrote_survive_a_change_by_this_one(hub: Hub) -> None:
    """An override was written anew with what this release knows of it, and the rest was gone."""
    register(hub)
    hub.helpers.update("tidy", HelperUpdate(priority=1))
    written = override_to_document(hub.helpers.row("tidy").override or Override())
    text = hub.signatures.sign_text(OVERRIDE, "tidy", orjson.dumps({**written, "colour": ["blue"]}).decode())
    hub.scripts.register([SpecChange("tidy", override=text)], revision=None)

    hub.helpers.update("tidy", HelperUpdate(priority=2))

    override = hub.helpers.row("tidy").override
    assert override is not None
    assert (override.priority, override.unknown) == (2, {"colour": ["blue"]})
