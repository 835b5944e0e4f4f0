from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from pydantic import BaseModel

from helperhub import Cron, Daily, Every, Helper, Once, Overlap, Registrar, RetryPolicy, helper
from helperhub.errors import HelperHubError, InvalidHelper, InvalidSchedule
from helperhub.model.helper import HelperSpec
from helperhub.plugins.registrar import Origin, PluginRegistrar

START = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
BERLIN = Daily("07:30", tz="Europe/Berlin")


class Settings(BaseModel):
    latitude: float = 52.5


class Payload(BaseModel):
    city: str


def registrar(timezone: str = "Europe/Berlin") -> PluginRegistrar:
    return PluginRegistrar(
        Origin("backup", "helperhub-backup", "1.2"),
        settings_of=lambda _plugin, model: model(),
        timezone=timezone,
        started_at=START,
    )


def declare(**options: Any) -> Helper:
    def backup(ctx: Any) -> None:
        """Save everything.

        More than a line.
        """

    declared: Helper = helper(**options)(backup)
    return declared


def spec_of(declared: Any, **replaced: Any) -> HelperSpec:
    hub = registrar()
    hub.add(declared, **replaced)
    (spec,) = hub.finish().specs
    return spec


def refusal(declared: Any, **replaced: Any) -> str:
    with pytest.raises(HelperHubError) as caught:
        registrar().add(declared, **replaced)
    assert isinstance(caught.value, InvalidHelper | InvalidSchedule)
    return str(caught.value)


def test_spec_carries_the_plugin_and_its_version() -> None:
    spec = spec_of(declare())

    assert (spec.key, spec.plugin, spec.plugin_version) == ("backup", "helperhub-backup", "1.2")
    assert spec.description == "Save everything."


def test_keywords_replace_what_was_declared() -> None:
    spec = spec_of(
        declare(priority=1, payload={"a": 1}),
        instance="home",
        schedule=Every(HOUR),
        payload={"b": [2, None]},
        priority=5,
        expires_after=2 * HOUR,
        retry=RetryPolicy(max_attempts=1),
        time_limit=HOUR,
        overlap=Overlap.ALLOW,
        enabled=False,
        description="Other",
    )

    assert spec == HelperSpec(
        name="backup",
        instance="home",
        schedules={"": Every(HOUR)},
        priority=5,
        expires_after=2 * HOUR,
        retry=RetryPolicy(max_attempts=1),
        time_limit=HOUR,
        overlap=Overlap.ALLOW,
        enabled=False,
        payload={"b": [2, None]},
        description="Other",
        plugin="helperhub-backup",
        plugin_version="1.2",
    )


def test_instance_inherits_the_declared_schedule() -> None:
    assert spec_of(declare(schedule=Every(HOUR)), instance="home").schedules == {"": Every(HOUR)}


def test_helper_that_is_only_added_with_instances_is_still_handed_over_to_run() -> None:
    declared, hub = declare(), registrar()

    for name in ("home", "work"):
        hub.add(declared, instance=name)
    plugin = hub.finish()

    assert [spec.key for spec in plugin.specs] == ["backup/home", "backup/work"]
    assert plugin.helpers == {"backup": declared}


@pytest.mark.parametrize(
    ("schedule", "stored"),
    [
        (Daily("07:30"), {"": BERLIN}),
        (Daily("07:30", tz="UTC"), {"": Daily("07:30", tz="UTC")}),
        (Cron("0 9 * * 1-5"), {"": Cron("0 9 * * 1-5", tz="Europe/Berlin")}),
        (Every(HOUR), {"": Every(HOUR)}),
        ({"am": Daily("07:30"), "pm": "daily 19:30 tz=UTC"}, {"am": BERLIN, "pm": Daily("19:30", tz="UTC")}),
        ({"type": "interval", "interval_minutes": 30}, {"": Every(timedelta(minutes=30))}),
        ("every 30m", {"": Every(timedelta(minutes=30))}),
        (None, {}),
    ],
)
def test_schedule_is_stored_complete(schedule: Any, stored: Mapping[str, Any]) -> None:
    assert spec_of(declare(schedule=schedule)).schedules == stored
    assert spec_of(declare(), schedule=schedule).schedules == stored


def test_dict_of_the_http_api_may_say_priority_expiry_and_enabled() -> None:
    said = {"type": "daily", "time": "07:30", "priority": 1, "expiry": 60, "enabled": False}

    spec = spec_of(declare(schedule=said, priority=4))

    assert (spec.priority, spec.expires_after, spec.enabled) == (1, timedelta(minutes=1), False)
    assert spec_of(declare(schedule=said), priority=2).priority == 2


def test_scheduled_helper_that_declares_no_expiry_expires_after_an_hour() -> None:
    assert spec_of(declare(schedule=Every(HOUR))).expires_after == HOUR
    assert spec_of(declare(schedule=Every(HOUR), expires_after=2 * HOUR)).expires_after == 2 * HOUR
    assert spec_of(declare()).expires_after is None


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            {"type": "interval", "interval": "5"},
            "Schedule 'backup' in plugin helperhub-backup 1.2 has interval '5': a bare number has no unit. Write '5s',",
        ),
        ({"am": Cron("0 25 * * *")}, "Schedule 'backup#am' in plugin helperhub-backup 1.2 has"),
        (Daily("07:30", tz="Europe/Berln"), "Schedule 'backup' in plugin helperhub-backup 1.2 has time zone"),
        ({"type": "dayly"}, "Schedule 'backup' in plugin helperhub-backup 1.2 has type 'dayly'"),
        (timedelta(minutes=5), "which is not a schedule. Take Daily, Every, Cron or Once."),
    ],
)
def test_schedule_that_can_not_be_followed_is_refused_with_its_place(schedule: Any, message: str) -> None:
    assert message in refusal(declare(schedule=schedule))


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"priority": 9}, "Plugin helperhub-backup 1.2: Helper 'backup' has priority 9. Take 1 (first) to 5."),
        ({"expires_after": 60}, "has expires_after=60, which is not a timedelta. Write expires_after=timedelta("),
        ({"time_limit": timedelta(0)}, "Plugin helperhub-backup 1.2: Helper 'backup' has time_limit=0:00:00."),
        ({"retry": 3}, "Helper 'backup' has retry=3, which is not a RetryPolicy."),
        ({"overlap": "never"}, "Helper 'backup' has overlap='never', which is not an overlap policy. Take 'skip',"),
        ({"instance": "a b"}, "Plugin helperhub-backup 1.2: 'a b' can't be an instance's name (helper 'backup')."),
        ({"payload": {1, 2}}, "Helper 'backup' has a payload that is not JSON: Object of type set"),
        ({"payload": {"x": math.nan}}, "Helper 'backup' has a payload that is not JSON: Out of range"),
    ],
)
def test_value_that_can_not_be_used_is_refused_with_plugin_and_helper(replaced: dict[str, Any], message: str) -> None:
    assert message in refusal(declare(), **replaced)
    assert refusal(declare(), **replaced).startswith("Plugin helperhub-backup 1.2: ")


def test_payload_is_stored_as_its_json_reads_back() -> None:
    assert spec_of(declare(), payload={"pair": (1, 2)}).payload == {"pair": [1, 2]}
    assert spec_of(declare(payload_model=Payload), payload=Payload(city="Rom")).payload == {"city": "Rom"}


def test_payload_that_does_not_fit_its_model_is_refused_without_being_shown() -> None:
    message = refusal(declare(payload_model=Payload), payload={"city": ["s3cret"]})

    assert "a payload that doesn't fit its payload model Payload: city: Input should be a valid string." in message
    assert "s3cret" not in message


def test_schedule_without_the_payload_that_its_helper_needs_is_refused() -> None:
    message = refusal(declare(payload_model=Payload, schedule=Every(HOUR)))

    assert "Helper 'backup' has a schedule but no payload, which doesn't fit its payload model Payload: city" in message
    assert spec_of(declare(payload_model=Payload)).payload is None


def test_same_key_twice_is_refused() -> None:
    hub, declared = registrar(), declare()
    hub.add(declared)

    with pytest.raises(InvalidHelper, match=r"Plugin helperhub-backup 1\.2: Helper 'backup' is added twice"):
        hub.add(declared)


def test_two_functions_of_one_name_are_refused_and_leave_no_trace() -> None:
    hub, first = registrar(), declare()
    hub.add(first, instance="home")

    with pytest.raises(InvalidHelper, match="Two functions are helpers named 'backup'"):
        hub.add(declare(), instance="work")

    assert [spec.key for spec in hub.finish().specs] == ["backup/home"]
    assert hub.finish().helpers == {"backup": first}


def test_what_is_no_helper_is_refused() -> None:
    assert "is neither a helper nor a Dramatiq actor. Decorate the function with @helper" in refusal(print)


def test_plain_dramatiq_actor_keeps_its_queue_and_limits() -> None:
    broker = StubBroker()

    @dramatiq.actor(queue_name="low", max_retries=2, min_backoff=1000, time_limit=60_000, broker=broker)
    def resize(path: str) -> None:
        """Make it smaller."""

    spec = spec_of(resize, schedule=Once(START), priority=1)

    assert (spec.name, spec.queue, spec.priority) == ("resize", "low", 1)
    assert spec.retry == RetryPolicy(max_attempts=3, min_backoff=timedelta(seconds=1))
    assert spec.time_limit == timedelta(minutes=1)
    assert spec.description == "Make it smaller."


def test_settings_that_a_helper_declares_are_filled_when_it_is_added() -> None:
    hub = registrar()

    hub.add(declare(settings=Settings))

    assert hub.finish().settings == Settings()
    assert hub.settings(Settings) is hub.finish().settings


def test_second_settings_model_in_one_plugin_is_refused() -> None:
    class Other(BaseModel): ...

    hub = registrar()
    hub.settings(Settings)

    with pytest.raises(InvalidHelper, match="it uses both Settings and Other"):
        hub.add(declare(settings=Other))


def test_problems_are_told_with_the_plugin() -> None:
    found = registrar()
    hub: Registrar = found  # what authors' type checkers see

    hub.report("line 3 is odd")

    assert found.finish().problems == ("line 3 is odd",)
    assert hub.started_at == START
