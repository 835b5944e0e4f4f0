"""What nobody with a key enqueued is set aside alone and never run; its neighbours go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dramatiq
import pytest

from helperhub import Hub
from helperhub.errors import UntrustedRecord
from helperhub.model.execution import Execution, Status
from helperhub.store.body import PLAIN_BODY, Envelope, pack_body, split_body
from helperhub.store.envelope import Envelopes
from helperhub.testing.running import working
from helperhub.trust.encryption import no_cipher
from helperhub.trust.keyring import HelperKeys, KeyRing, new_key
from helperhub.trust.signing import USE, Signatures

if TYPE_CHECKING:
    from tests.integration.trust.conftest import Intruder

EndOf = Callable[[Hub, str], Execution]
Act = Callable[["Intruder", Hub, str, str], None]


def replace_the_arguments(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    version, signature, _ = split_body(intruder.read(target).body)
    intruder.change(target, body=pack_body(version, signature, b'{"a":["rm -rf"]}'))


def leave_out_the_signature(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    intruder.change(target, body=pack_body(PLAIN_BODY, b"", b'{"a":["rm -rf"]}'))


def leave_out_the_body(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    intruder.change(target, body=b"")


def cut_the_signature_off(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    version, signature, content = split_body(intruder.read(target).body)
    intruder.change(target, body=pack_body(version, signature[:32], content))


def cut_the_body_off(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    intruder.change(target, body=intruder.read(target).body[:20])


def sign_with_another_key(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    keys = HelperKeys(KeyRing((new_key("theirs"),)), {}, use=USE)
    theirs = Envelopes(Signatures(hub.settings.hub, keys), no_cipher(hub.settings.hub))
    record = intruder.read(target)
    intruder.change(target, body=theirs.pack(target, record, Envelope(("rm -rf",))))


def sign_with_another_key_of_the_same_id(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    keys = HelperKeys(KeyRing((new_key("test"),)), {}, use=USE)
    theirs = Envelopes(Signatures(hub.settings.hub, keys), no_cipher(hub.settings.hub))
    record = intruder.read(target)
    intruder.change(target, body=theirs.pack(target, record, Envelope(("rm -rf",))))


def turn_it_to_another_helper(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    intruder.change(target, helper="shell")


def turn_it_to_another_instance(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    intruder.change(target, helper="note/other")


def give_it_what_another_execution_got(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    intruder.change(target, body=intruder.read(other).body)


def let_it_never_expire(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    intruder.change(target, expires_ms=0)


def say_that_a_schedule_asked_for_it(intruder: Intruder, hub: Hub, target: str, other: str) -> None:
    intruder.change(target, trigger="schedule")


ACTS = [
    (replace_the_arguments, "doesn't fit"),
    (leave_out_the_signature, "no signature"),
    (leave_out_the_body, "no signature"),
    (cut_the_signature_off, "cut off"),
    (cut_the_body_off, "cut off"),
    (sign_with_another_key, "key 'theirs'"),
    (sign_with_another_key_of_the_same_id, "doesn't fit"),
    (turn_it_to_another_helper, "doesn't fit"),
    (turn_it_to_another_instance, "doesn't fit"),
    (give_it_what_another_execution_got, "doesn't fit"),
    (let_it_never_expire, "expiry was changed"),
    (say_that_a_schedule_asked_for_it, "doesn't fit"),
]


@pytest.mark.parametrize(("act", "reason"), ACTS, ids=[act.__name__ for act, _ in ACTS])
def test_forged_execution_is_set_aside_alone_and_never_run(
    act: Act, reason: str, hub: Hub, intruder: Intruder, end_of: EndOf
) -> None:
    seen: list[Any] = []
    note = dramatiq.actor(actor_name="note", broker=hub.broker)(lambda *args: seen.append(args))
    dramatiq.actor(actor_name="shell", broker=hub.broker)(lambda *args: seen.append(("shell", *args)))
    options: dict[str, Any] = {"expires_after": timedelta(minutes=1)}
    before, target, after = (note.send_with_options(args=(n,), **options).message_id for n in range(3))
    act(intruder, hub, target, after)
    body = intruder.read(target).body

    with working(hub):
        ends = [end_of(hub, id_) for id_ in (before, target, after)]

    assert [end.status for end in ends] == [Status.SUCCESS, Status.ERROR, Status.SUCCESS]
    assert reason in ends[1].reason
    assert sorted(seen) == [(0,), (2,)]
    assert [end.id for end in hub.dead_letters.find(limit=9)] == [target]
    assert intruder.read(target).body == body


def test_forged_dead_letter_cant_be_replayed(hub: Hub, intruder: Intruder, end_of: EndOf) -> None:
    note = dramatiq.actor(actor_name="note", broker=hub.broker)(lambda *args: None)
    target = note.send(1).message_id
    leave_out_the_signature(intruder, hub, target, "")
    with working(hub):
        end_of(hub, target)

    with pytest.raises(UntrustedRecord, match=r"can't be replayed\. It carries no signature"):
        hub.dead_letters.replay([target])

    assert hub.dead_letters.replay_all() == []


def test_message_that_is_sent_twice_runs_twice_under_two_ids(hub: Hub, end_of: EndOf) -> None:
    """The second one's id is another: what was signed for the first doesn't fit it."""
    seen: list[int] = []
    note = dramatiq.actor(actor_name="note", broker=hub.broker)(seen.append)
    message = note.message(7)

    first, second, third = hub.broker.enqueue(message), *hub.broker.enqueue_many([message, message])
    with working(hub):
        ends = [end_of(hub, sent.message_id) for sent in (first, second, third)]

    assert len({end.id for end in ends}) == 3
    assert {end.status for end in ends} == {Status.SUCCESS}
    assert seen == [7, 7, 7]
