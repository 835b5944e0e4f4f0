"""Encrypted arguments: run by who has the key, shown to who has it, set aside by who hasn't."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.errors import UntrustedRecord
from helperhub.model.execution import Execution, Status
from helperhub.model.helper import HelperSpec
from helperhub.services.helpers import HelperUpdate
from helperhub.store.body import SEALED_BODY, split_body
from helperhub.testing.running import KNOWN_KEYS, working
from helperhub.trust.keyring import new_key

if TYPE_CHECKING:
    from tests.integration.trust.conftest import Intruder, OpenHub

EndOf = Callable[[Hub, str], Execution]
OLD, NEW = str(new_key("old")), str(new_key("new"))
SECRET = {"password": "correct horse battery staple"}


def declare(hub: Hub, seen: list[Any] | None = None) -> dramatiq.Actor[..., Any]:
    kept: list[Any] = [] if seen is None else seen
    return dramatiq.actor(actor_name="note", broker=hub.broker, max_retries=0)(kept.append)


def test_arguments_are_nowhere_in_redis_and_reach_the_actor(open_hub: OpenHub, end_of: EndOf) -> None:
    seen: list[Any] = []
    sealing = open_hub(HELPERHUB_ENCRYPTION__KEYS=NEW)
    sent = declare(sealing, seen).send(SECRET).message_id
    raw = sealing.scripts.client.get(sealing.scripts.keys.record(sent))

    with working(sealing):
        end = end_of(sealing, sent)

    assert b"battery" not in raw
    assert (end.status, seen) == (Status.SUCCESS, [SECRET])


def test_payload_is_shown_with_the_key_and_said_to_be_encrypted_without(open_hub: OpenHub) -> None:
    sealing, without = open_hub(HELPERHUB_ENCRYPTION__KEYS=NEW), open_hub()
    sent = declare(sealing).send(SECRET).message_id

    assert sealing.executions.get(sent).payload == SECRET
    assert "encrypted with the key 'new'" in without.executions.get(sent).payload["unreadable"]
    sealing.executions.cancel(sent, reason="")


def test_work_that_cant_be_decrypted_is_set_aside_alone(open_hub: OpenHub, end_of: EndOf) -> None:
    seen: list[Any] = []
    sealing = open_hub(HELPERHUB_ENCRYPTION__KEYS=OLD)
    target = declare(sealing).send(SECRET).message_id
    other = open_hub(HELPERHUB_ENCRYPTION__KEYS=NEW)
    neighbour = declare(other, seen).send(1).message_id

    with working(other):
        ends = [end_of(other, id_) for id_ in (target, neighbour)]

    assert [end.status for end in ends] == [Status.ERROR, Status.SUCCESS]
    assert "encrypted with the key 'old'" in ends[0].reason
    assert seen == [1]
    with pytest.raises(UntrustedRecord, match="encrypted with the key 'old'"):
        other.dead_letters.replay([target])


def test_sealed_body_of_another_execution_is_refused_even_where_nothing_is_signed(
    open_hub: OpenHub, intruder: Intruder, end_of: EndOf
) -> None:
    off = open_hub(HELPERHUB_SIGNING__ENABLED="false", HELPERHUB_ENCRYPTION__KEYS=NEW)
    seen: list[Any] = []
    note = declare(off, seen)
    first, second = note.send(1).message_id, note.send(2).message_id
    intruder.change(second, body=intruder.read(first).body)

    with working(off):
        ends = [end_of(off, id_) for id_ in (first, second)]

    assert [end.status for end in ends] == [Status.SUCCESS, Status.ERROR]
    assert "can't be decrypted" in ends[1].reason
    assert seen == [1]


def test_replay_is_sealed_with_the_present_key(open_hub: OpenHub, intruder: Intruder, end_of: EndOf) -> None:
    old = open_hub(HELPERHUB_ENCRYPTION__KEYS=OLD)
    sent = declare(old).send(SECRET).message_id
    with working(old):
        end_of(old, sent)
    rotated = open_hub(HELPERHUB_ENCRYPTION__KEYS=f"{NEW},{OLD}")

    ((_, replayed),) = rotated.executions.replay([sent])

    assert rotated.envelopes.keys_of(intruder.read(replayed)).sealed == "new"
    assert rotated.executions.get(replayed).payload == SECRET
    rotated.executions.cancel(replayed, reason="")


def test_renewal_moves_what_is_open_to_the_present_keys_so_that_the_old_ones_can_go(
    open_hub: OpenHub, end_of: EndOf
) -> None:
    signing, sealing = str(new_key("s1")), OLD
    before = open_hub(HELPERHUB_SIGNING__KEYS=signing, HELPERHUB_ENCRYPTION__KEYS=sealing)
    before.helpers.register([HelperSpec("tidy")], exclusive=False)
    before.helpers.update("tidy", HelperUpdate(priority=2))
    note = declare(before)
    dead, waiting = note.send(SECRET).message_id, note.send_with_options(args=(SECRET,), delay=600_000).message_id
    cut = open_hub()
    declare(cut)
    with working(cut):
        assert end_of(cut, dead).status is Status.ERROR  # it has neither key
    rotated = open_hub(HELPERHUB_SIGNING__KEYS=f"{KNOWN_KEYS},{signing}", HELPERHUB_ENCRYPTION__KEYS=f"{NEW},{sealing}")

    renewed = rotated.renewal.renew()
    again = rotated.renewal.renew()
    after = open_hub(HELPERHUB_ENCRYPTION__KEYS=NEW)

    assert (renewed.executions, renewed.catalogue, renewed.refused) == (2, 2, {})
    assert (again.executions, again.catalogue) == (0, 0)
    assert after.renewal.status() == {
        "signing": {"enabled": True, "keys": ["test"], "executions": {"test": 2}, "catalogue": {"test": 2}},
        "encryption": {"enabled": True, "keys": ["new"], "executions": {"new": 2}},
    }
    assert [after.executions.get(id_).payload for id_ in (dead, waiting)] == [SECRET, SECRET]
    assert after.catalogue.read().rows["tidy"].spec.priority == 2
    after.executions.cancel(waiting, reason="")


def test_renewal_encrypts_what_waited_in_plain_and_decrypts_once_it_is_switched_off(
    open_hub: OpenHub, intruder: Intruder
) -> None:
    sent = declare(open_hub()).send(SECRET).message_id
    sealing = open_hub(HELPERHUB_ENCRYPTION__KEYS=NEW)

    sealing.renewal.renew()
    assert split_body(intruder.read(sent).body)[0] == SEALED_BODY
    off = open_hub(HELPERHUB_ENCRYPTION__KEYS=NEW, HELPERHUB_ENCRYPTION__ENABLED="false")
    off.renewal.renew()

    assert open_hub().executions.get(sent).payload == SECRET
    sealing.executions.cancel(sent, reason="")


def test_renewal_signs_nothing_that_somebody_without_a_key_wrote(
    hub: Hub, open_hub: OpenHub, intruder: Intruder
) -> None:
    hub.helpers.register([HelperSpec("tidy")], exclusive=False)
    intruder.client.hset(intruder.keys.at("overrides"), "tidy", b'{"reason":"","priority":1}')
    sent = declare(hub).send(1).message_id
    forged = split_body(intruder.read(sent).body)
    intruder.change(sent, body=forged[0] + bytes([len(forged[1])]) + forged[1] + b'{"a":[2]}')
    rotated = open_hub(HELPERHUB_SIGNING__KEYS=f"{new_key('next')},{KNOWN_KEYS}")

    renewed = rotated.renewal.renew()

    assert renewed.executions == 0
    assert renewed.refused.keys() == {sent, "tidy"}
    assert renewed.catalogue == 1  # tidy's spec
    hub.executions.cancel(sent, reason="")
