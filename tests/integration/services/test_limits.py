"""Limits as people see them: changed at run time, explained, and kept from settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from helperhub import Hub, helper
from helperhub.errors import ConfigurationError, NotFound, UsageError
from helperhub.model.helper import HelperSpec
from helperhub.model.limits import Limits, Rate
from helperhub.services.helpers import HelperUpdate
from helperhub.store.rules import read_rules
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub

PER_CITY = Limits(key="city", concurrency_per_key=1)


def register(hub: Hub, name: str = "tidy", **fields: Any) -> None:
    hub.helpers.register([HelperSpec(name, **fields)], exclusive=False)


def rules(hub: Hub) -> dict[str, str]:
    return read_rules(hub.scripts.client, hub.scripts.keys)


def claim(hub: Hub, number: int = 1) -> list[str]:
    hub.scripts.join("w", lease_ms=60_000, about={"queues": "default"})
    found = hub.scripts.claim("w", ["default"], number=number, want=10, will_wait=False, waited=False)
    return [id_ for id_, _ in found.records]


@contextmanager
def hub_with(url: str, **settings: str) -> Iterator[Hub]:
    hub = build_hub((), url=url, settings={f"HELPERHUB_{name}": value for name, value in settings.items()})
    try:
        hub.register()
        yield hub
        assert find_strays(hub.scripts.client, hub.scripts.keys) == []
    finally:
        hub.close()


def test_declared_limits_hold_as_soon_as_the_helper_is_registered(hub: Hub) -> None:
    register(hub, limits=Limits(concurrency=1))
    ids = [hub.enqueue("tidy", id=id_) for id_ in ("a", "b")]

    assert claim(hub) == ids[:1]


def test_a_limit_is_changed_at_run_time_and_dropped_again(hub: Hub) -> None:
    register(hub, limits=Limits(concurrency=5))

    hub.helpers.update("tidy", HelperUpdate(limits={"concurrency": 3, "rate": Rate(10, timedelta(minutes=1))}))
    assert rules(hub) == {"helper:tidy": "3 0 10 60000 0 0 0"}
    assert hub.helpers.show("tidy")["limits"] == {"concurrency": 3, "rate": "10/m"}

    hub.helpers.update("tidy", HelperUpdate(limits={"concurrency": None, "rate": None}))
    assert rules(hub) == {}

    hub.helpers.reset("tidy")
    assert rules(hub) == {"helper:tidy": "5 0 0 0 0 0 0"}


def test_an_upgrade_leaves_what_an_operator_limited(hub: Hub) -> None:
    register(hub, plugin_version="1.0")
    hub.helpers.update("tidy", HelperUpdate(limits={"concurrency": 3}))

    register(hub, plugin_version="1.1", limits=Limits(concurrency=9))

    assert rules(hub) == {"helper:tidy": "3 0 0 0 0 0 0"}


def test_limits_of_a_helper_that_has_only_instances(hub: Hub) -> None:
    specs = [HelperSpec("tidy", instance=name, limits=Limits(concurrency=2)) for name in ("attic", "cellar")]
    hub.helpers.register(specs, exclusive=False)

    hub.helpers.update("tidy", HelperUpdate(limits={"concurrency": 1}))
    hub.helpers.pause("tidy", reason="painters")

    assert rules(hub) == {"helper:tidy": "1 0 0 0 0 0 1"}
    shown = hub.helpers.show("tidy/attic")
    assert (shown["limits"], shown["paused"], shown["pause_reason"]) == ({"concurrency": 1}, True, "painters")
    hub.helpers.resume("tidy")
    assert rules(hub) == {"helper:tidy": "1 0 0 0 0 0 0"}


def test_an_instance_has_no_limits_of_its_own(hub: Hub) -> None:
    hub.helpers.register([HelperSpec("tidy", instance="attic")], exclusive=False)

    with pytest.raises(UsageError, match=r"with all its instances.*'tidy'"):
        hub.helpers.pause("tidy/attic")


def test_limits_that_cannot_be_kept_change_nothing(hub: Hub) -> None:
    register(hub)

    with pytest.raises(UsageError, match="concurrency_key"):
        hub.helpers.update("tidy", HelperUpdate(limits={"concurrency_per_key": 1}))
    with pytest.raises(UsageError, match="out of range"):
        hub.helpers.update("tidy", HelperUpdate(limits={"concurrency": 0}))
    with pytest.raises(NotFound):
        hub.helpers.pause("tody")
    assert rules(hub) == {}


def test_why_names_the_limit_and_the_place_in_line(hub: Hub) -> None:
    register(hub, limits=Limits(concurrency=1))
    for id_ in ("a", "b", "c"):
        hub.enqueue("tidy", id=id_)
    claim(hub)

    found = hub.why("c")

    assert found.execution.to_document()["waits_for"] == {
        "limit": "helper tidy",
        "bound": 1,
        "running": 1,
        "place": 2,
    }
    assert found.why == "Of helper tidy 1 are in hand, 1 may be; it is number 2 in line."
    assert hub.executions.get("c").to_document()["waits_for"] is None
    assert hub.why("a").why == "It is in hand of a worker process."


def test_why_names_the_key(hub: Hub) -> None:
    register(hub, limits=PER_CITY)
    for number, city in enumerate(["Berlin", "Rome", "Berlin", "Berlin"]):
        hub.enqueue("tidy", {"city": city}, id=f"{city}-{number}")
    assert claim(hub) == ["Berlin-0", "Rome-1"]

    assert hub.executions.show("Berlin-3").waits_for == {
        "limit": "key Berlin of helper tidy",
        "bound": 1,
        "running": 1,
        "place": 2,
    }


def test_why_names_the_rate_and_when_it_lets_the_next_start(hub: Hub) -> None:
    register(hub, limits=Limits(rate=Rate(1, timedelta(hours=1))))
    for id_ in ("a", "b"):
        hub.enqueue("tidy", id=id_)
    claim(hub)

    found = hub.executions.show("b").waits_for

    assert found is not None
    assert (found["limit"], found["rate"], found["place"]) == ("rate of helper tidy", "1/h", 1)
    assert "the next may start at" in hub.why("b").why


def test_why_names_the_pause_with_its_reason(hub: Hub) -> None:
    register(hub)
    hub.helpers.pause("tidy", reason="painters")
    hub.enqueue("tidy", id="a")

    assert hub.why("a").why == "Helper tidy is paused: painters; it is number 1 in line."
    assert claim(hub) == []
    hub.helpers.resume("tidy")
    assert claim(hub, 2) == ["a"]


def test_why_of_what_no_limit_holds_back(hub: Hub) -> None:
    register(hub)
    hub.enqueue("tidy", id="a")
    hub.enqueue("tidy", id="later", delay=timedelta(hours=1))

    assert hub.why("a").why == "No worker process serves queue default."
    assert hub.why("later").why == "It isn't due yet."
    claim(hub)
    hub.enqueue("tidy", id="b")
    assert hub.why("b").why == "It waits for a free thread: queue default has 1 ready, and 1 worker processes."
    hub.queues.pause("default")
    assert hub.why("b").why == "Queue default is paused."
    hub.executions.cancel("b", reason="enough")
    assert hub.why("b").why == "It is over: cancelled, enough."
    with pytest.raises(NotFound):
        hub.why("nobody")


def test_what_waits_under_limits_is_listed_and_counted(hub: Hub) -> None:
    register(hub, limits=PER_CITY)
    for number in range(4):
        hub.enqueue("tidy", {"city": "Berlin"}, id=f"b{number}")
    hub.enqueue("tidy", {"city": "Rome"}, id="r")
    claim(hub)

    (queue,) = hub.queues.all()
    assert (queue.ready, queue.limited, queue.running) == (0, 3, 2)
    assert sorted(hub.records.open_ids(["default"])) == ["b0", "b1", "b2", "b3", "r"]
    assert sorted(one.id for one in hub.records.waiting(["default"])) == ["b1", "b2", "b3"]
    assert hub.queues.purge("default") == 3


def test_settings_limit_queues_and_the_hub_and_order_a_queue(redis_url: str) -> None:
    settings = {"MAX_RUNNING": "9", "QUEUES__LOW__MAX_RUNNING": "2", "QUEUES__HIGH__ORDER": "deadline"}
    with hub_with(redis_url, **settings) as hub:
        found = rules(hub)

    assert found == {"all": "9", "queue:low": "2 priority", "queue:high": "0 deadline", "settings": "1"}


def test_limits_that_were_lost_are_entered_again(redis_url: str) -> None:
    with hub_with(redis_url, MAX_RUNNING="9") as hub:
        register(hub, limits=Limits(concurrency=2))
        before = rules(hub)
        hub.scripts.client.delete(hub.scripts.keys.at("rules"))

        hub.limit_rules.keep()

        assert rules(hub) == before == {"all": "9", "settings": "1", "helper:tidy": "2 0 0 0 0 0 0"}


def test_a_pause_that_was_ended_does_not_come_back(redis_url: str) -> None:
    """A scheduler's turn entered the catalogue as it was up to a second before, and the helper stood still."""

    with hub_with(redis_url) as hub:
        register(hub)
        hub.helpers.pause("tidy")
        paused = hub.catalogue.read()
        hub.helpers.resume("tidy")

        replace(hub.limit_rules, remembered=lambda: paused).keep()

        assert "helper:tidy" not in rules(hub)


def test_a_worker_leaves_the_settings_that_a_scheduler_entered(redis_url: str) -> None:
    with hub_with(redis_url, MAX_RUNNING="9") as hub:
        other = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": hub.settings.hub, "HELPERHUB_MAX_RUNNING": "3"})
        other.register(only_new=True)
        assert rules(hub)["all"] == "9"
        other.register()
        assert rules(hub)["all"] == "3"
        other.close()


def test_a_limit_of_the_whole_hub_is_refused_with_several_shards(redis_url: str) -> None:
    with pytest.raises(ConfigurationError, match="MAX_RUNNING"):
        build_hub((), url=redis_url, settings={"HELPERHUB_MAX_RUNNING": "9", "HELPERHUB_SHARDS": "2"})


def test_limits_hold_in_every_shard(redis_url: str) -> None:
    @helper(concurrency=1)
    def tidy(ctx: Any) -> None: ...

    hub = build_hub([tidy], url=redis_url, settings={"HELPERHUB_SHARDS": "2", "HELPERHUB_QUEUES__BLUE__SHARD": "1"})
    hub.register()

    assert [read_rules(part.client, part.keys) for part in hub.scripts.each] == [{"helper:tidy": "1 0 0 0 0 0 0"}] * 2
    hub.close()


def test_the_key_of_an_encrypted_payload_is_not_readable(redis_url: str) -> None:
    keys = "k1:" + "a25vd24gdG8gZXZlcnlib2R5LCBmb3IgdGVzdHMgb24="
    with hub_with(redis_url, ENCRYPTION__KEYS=keys) as hub:
        register(hub, limits=PER_CITY)
        for number, city in enumerate(["Berlin", "Berlin", "Rome"]):
            hub.enqueue("tidy", {"city": city}, id=f"e{number}")

        found = [hub.records.record(f"e{number}") for number in range(3)]

        one, other, third = (record.key for record in found if record)
        assert one == other != third
        assert "Berlin" not in one
