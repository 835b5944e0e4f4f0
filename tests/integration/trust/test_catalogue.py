"""Specs and overrides that nobody with a key wrote are shown, and nothing is planned from them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from helperhub import Every, Hub
from helperhub.errors import NotFound
from helperhub.model.helper import HelperSpec
from helperhub.model.instant import epoch_ms
from helperhub.scheduler.promoter import Promoter
from helperhub.scheduler.records import RecordOf
from helperhub.schedules.spec_document import spec_to_document
from helperhub.services.helpers import HelperUpdate

if TYPE_CHECKING:
    from tests.integration.trust.conftest import Intruder

TICK = HelperSpec("tick", schedules={"": Every(timedelta(minutes=10))}, payload={"room": "attic"})
TOCK = HelperSpec("tock", schedules={"": Every(timedelta(minutes=10))})


@pytest.fixture(autouse=True)
def registered(hub: Hub) -> None:
    hub.helpers.register([TICK, TOCK], exclusive=False)


def promote_in_an_hour(hub: Hub) -> None:
    """Let an hour pass, and enqueue what is due then."""
    keys = hub.scripts.keys
    hub.scripts.client.set(keys.at("clock"), hub.scripts.due(limit=1).now_ms + 3_600_000)
    record_of = RecordOf(lambda queue: 1, hub.envelopes)
    grace = timedelta(hours=2)
    Promoter(hub.scripts, hub.catalogue, scheduler="s", grace=grace, record_of=record_of).promote()


def helpers_that_wait(hub: Hub) -> set[str]:
    return {execution.helper for execution in hub.records.waiting(["default"])}


def test_spec_and_override_of_somebody_with_a_key_are_believed(hub: Hub) -> None:
    hub.helpers.update("tick", HelperUpdate(payload={"room": "cellar"}, has_payload=True))

    snapshot = hub.catalogue.read()

    assert snapshot.rows["tick"].spec.payload == {"room": "cellar"}
    assert snapshot.unreadable == {}


def test_forged_spec_is_reported_and_nothing_is_enqueued_from_it(hub: Hub, intruder: Intruder) -> None:
    forged = orjson.dumps(spec_to_document(HelperSpec("tick", schedules=TICK.schedules, payload="rm -rf")))
    intruder.client.hset(intruder.keys.at("catalogue"), "tick", forged)
    intruder.client.incr(intruder.keys.at("rev"))

    promote_in_an_hour(hub)

    assert "no signature" in hub.catalogue.read().unreadable["tick"]
    assert helpers_that_wait(hub) == {"tock"}


def test_forged_override_is_reported_and_nothing_is_enqueued_from_it(hub: Hub, intruder: Intruder) -> None:
    hub.helpers.update("tick", HelperUpdate(priority=2))
    signed = intruder.client.hget(intruder.keys.at("overrides"), "tick")
    intruder.client.hset(intruder.keys.at("overrides"), "tick", signed.replace(b'"priority":2', b'"priority":1'))
    intruder.client.incr(intruder.keys.at("rev"))

    promote_in_an_hour(hub)

    assert "doesn't fit" in hub.catalogue.read().unreadable["tick"]
    assert helpers_that_wait(hub) == {"tock"}


def test_override_that_was_signed_for_another_helper_is_refused(hub: Hub, intruder: Intruder) -> None:
    hub.helpers.disable("tock")
    signed = intruder.client.hget(intruder.keys.at("overrides"), "tock")
    intruder.client.hset(intruder.keys.at("overrides"), "tick", signed)

    assert "doesn't fit" in hub.catalogue.read().unreadable["tick"]


def test_spec_that_was_signed_isnt_taken_for_an_override(hub: Hub, intruder: Intruder) -> None:
    signed = intruder.client.hget(intruder.keys.at("catalogue"), "tick")
    intruder.client.hset(intruder.keys.at("overrides"), "tick", signed)

    assert "doesn't fit" in hub.catalogue.read().unreadable["tick"]


def test_reset_drops_an_override_that_nobody_with_a_key_made(hub: Hub, intruder: Intruder) -> None:
    intruder.client.hset(intruder.keys.at("overrides"), "tick", b'{"reason":"","enabled":false}')
    with pytest.raises(NotFound):
        hub.helpers.row("tick")

    hub.helpers.reset("tick")

    assert hub.catalogue.read().unreadable == {}
    assert hub.helpers.row("tick").spec == TICK


def test_registering_again_mends_a_forged_spec(hub: Hub, intruder: Intruder) -> None:
    intruder.client.hset(intruder.keys.at("catalogue"), "tick", b"{}")

    hub.helpers.register([TICK, TOCK], exclusive=False)

    assert hub.helpers.row("tick").spec == TICK


def test_scheduled_execution_is_signed_for_its_id_by_the_scheduler(hub: Hub) -> None:
    promote_in_an_hour(hub)

    for waiting in hub.records.waiting(["default"]):
        record = hub.records.record(waiting.id)
        assert record is not None
        assert hub.envelopes.open(waiting.id, record).payload == (TICK if waiting.helper == "tick" else TOCK).payload


def test_skipped_execution_can_be_replayed(hub: Hub) -> None:
    first = hub.plan.upcoming(helper="tick")[0]
    hub.plan.skip(first.id, reason="not now")

    ((_, replayed),) = hub.executions.replay([first.id])

    assert hub.executions.get(replayed).payload == {"room": "attic"}
    assert first.due_at is not None
    assert epoch_ms(first.due_at) > 0


def test_spec_is_decoded_once_and_checked_again_when_its_bytes_change(hub: Hub, intruder: Intruder) -> None:
    before, again = hub.catalogue.read(), hub.catalogue.read()

    key = intruder.keys.at("catalogue")
    intruder.client.hset(key, "tick", intruder.client.hget(key, "tock"))
    after = hub.catalogue.read()

    assert before.rows["tick"].declared is again.rows["tick"].declared
    assert set(after.unreadable) == {"tick"}
    assert after.rows["tock"].declared is before.rows["tock"].declared
