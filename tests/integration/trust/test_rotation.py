"""Keys change while work waits; a process has all keys, one helper's, or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dramatiq
import pytest
from platformdirs import user_data_path

from helperhub import Every, Hub, helper
from helperhub.errors import ConfigurationError
from helperhub.model.execution import Execution, Status
from helperhub.model.helper import HelperSpec
from helperhub.services.helpers import HelperUpdate
from helperhub.supervise.key_file import make_key_file
from helperhub.testing.running import build_hub, working
from helperhub.trust.keyring import new_key

if TYPE_CHECKING:
    from tests.integration.trust.conftest import OpenHub

EndOf = Callable[[Hub, str], Execution]
OLD, NEW = str(new_key("old")), str(new_key("new"))
TICK = HelperSpec("tick", schedules={"": Every(timedelta(minutes=10))}, payload=1)


def declare(hub: Hub, name: str = "note") -> dramatiq.Actor[..., None]:
    return dramatiq.actor(actor_name=name, broker=hub.broker)(lambda *args: None)


def test_work_of_the_old_key_runs_while_that_is_still_in_the_ring(open_hub: OpenHub, end_of: EndOf) -> None:
    waiting = declare(open_hub(HELPERHUB_SIGNING__KEYS=OLD)).send(1).message_id
    rotated = open_hub(HELPERHUB_SIGNING__KEYS=f"{NEW},{OLD}")
    fresh = declare(rotated).send(2).message_id

    with working(rotated):
        ends = [end_of(rotated, id_) for id_ in (waiting, fresh)]

    assert [end.status for end in ends] == [Status.SUCCESS, Status.SUCCESS]


def test_work_of_a_key_that_was_taken_out_is_set_aside_and_runs_once_it_is_back(
    open_hub: OpenHub, end_of: EndOf
) -> None:
    waiting = declare(open_hub(HELPERHUB_SIGNING__KEYS=OLD)).send(1).message_id
    without = open_hub(HELPERHUB_SIGNING__KEYS=NEW)
    declare(without)
    with working(without):
        gone = end_of(without, waiting)
    back = open_hub(HELPERHUB_SIGNING__KEYS=f"{NEW},{OLD}")
    declare(back)

    ((_, replayed),) = back.dead_letters.replay([waiting])
    with working(back):
        end = end_of(back, replayed)

    assert gone.status is Status.ERROR
    assert "key 'old'" in gone.reason
    assert end.status is Status.SUCCESS


def test_process_with_one_helpers_key_runs_and_enqueues_that_helper_and_no_other(
    open_hub: OpenHub, end_of: EndOf
) -> None:
    whole = open_hub(HELPERHUB_SIGNING__KEYS=NEW)
    ring = whole.signatures.keys.of("note")
    assert ring is not None
    some = open_hub(HELPERHUB_SIGNING__KEYS="", HELPERHUB_SIGNING__HELPER_KEYS=f"note={ring.current}")
    note, pay = declare(some), declare(some, "pay")

    theirs, ours = declare(whole).send(1).message_id, note.send(2).message_id
    with pytest.raises(ConfigurationError, match="no signing key for helper 'pay'"):
        pay.send(1_000_000)
    with working(some):
        ends = [end_of(some, id_) for id_ in (theirs, ours)]

    assert [end.status for end in ends] == [Status.SUCCESS, Status.SUCCESS]


def test_process_with_one_helpers_key_registers_that_helper_only(open_hub: OpenHub) -> None:
    whole = open_hub(HELPERHUB_SIGNING__KEYS=NEW)
    ring = whole.signatures.keys.of("tick")
    assert ring is not None
    some = open_hub(HELPERHUB_SIGNING__KEYS="", HELPERHUB_SIGNING__HELPER_KEYS=f"tick={ring.current}")

    some.helpers.register([TICK, HelperSpec("pay")], exclusive=False, only_new=True)

    assert list(whole.catalogue.read().rows) == ["tick"]
    assert whole.catalogue.read().unreadable == {}


def test_without_a_key_nothing_is_enqueued_or_registered_but_all_can_be_seen(open_hub: OpenHub, hub: Hub) -> None:
    hub.helpers.register([TICK], exclusive=False)
    without = open_hub(HELPERHUB_SIGNING__KEYS="")

    for refused in (
        lambda: without.enqueue("tick"),
        lambda: without.helpers.register([TICK], exclusive=False),
        lambda: without.helpers.update("tick", HelperUpdate(priority=1)),
        without.require_trust,
    ):
        with pytest.raises(ConfigurationError, match=r"No signing key is set.*trust new-key"):
            refused()

    assert [document["name"] for document in without.helpers.all()] == ["tick"]
    assert len(without.plan.upcoming()) == 12


def test_switched_off_by_name_everything_goes_without_a_key(redis_url: str, hub_name: str, end_of: EndOf) -> None:
    off = build_hub(
        (helper(name="echo")(lambda ctx: ctx.payload),),
        url=redis_url,
        settings={"HELPERHUB_HUB": hub_name, "HELPERHUB_SIGNING__KEYS": "", "HELPERHUB_SIGNING__ENABLED": "false"},
    )
    off.register()

    with working(off):
        execution = end_of(off, off.enqueue("echo", 5))
    off.close()

    assert execution.result == 5


def test_hub_of_a_test_has_nothing_of_this_machines_own_hub(
    open_hub: OpenHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    (directory := user_data_path("helperhub", appauthor=False)).mkdir(parents=True)
    make_key_file(directory, "mine")

    assert open_hub(HELPERHUB_SIGNING__KEYS="").signatures.keys.is_empty
