"""Callbacks: each end is told once, signed, tried again, given up and told again when somebody says so."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.services.calling import calling, over
from tests.integration.services.targets import NO_CONTENT, hang, target

from helperhub import Context, Daily, Hub, Overlap, RetryPolicy, helper
from helperhub.errors import NotFound
from helperhub.model.execution import Status
from helperhub.model.identity import PlannedId
from helperhub.services.callback_delivery import CALLBACK_HELPER
from helperhub.services.callbacks import CallbackFilter
from helperhub.services.enqueueing import EnqueueOptions
from helperhub.services.helpers import HelperUpdate
from helperhub.services.spool_lines import Order, read_line, read_order, write_line
from helperhub.store.scripts import Gone
from helperhub.testing.running import scheduling, working
from helperhub.trust.encryption import Cipher
from helperhub.trust.keyring import HelperKeys

Wait = Callable[..., None]
ALL = CallbackFilter()


def test_success_is_told_once_with_a_right_signature(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, calling(redis_url, hub_name) as hub:
        id_ = hub.enqueue("job", {"n": 1}, callback=there.url)
        wait_until(lambda: over(hub))
        assert hub._ends.call_back() == 0
        secret = hub.callback_secrets.all()[0]
        found = hub.executions.get(id_)
        (callback,) = over(hub)

    (request,) = there.requests
    event = request.event
    assert request.line == "POST /done?token=secret HTTP/1.1"
    assert (event["type"], event["timestamp"]) == ("execution.success", event["data"]["finished_at"])
    assert event["data"] == {**found.to_document(), "errors": [], "error": None}
    assert request.headers["webhook-id"] == id_
    # By hand, as the specification says it.
    signed = f"{id_}.{request.headers['webhook-timestamp']}.".encode() + request.body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert (callback["status"], callback["answer"]["status"], callback["execution"]) == ("success", 204, id_)
    # Its query may be a secret.
    assert callback["url"].endswith("/done?...")


def test_execution_without_callback_tells_nobody(redis_url: str, hub_name: str) -> None:
    with calling(redis_url, hub_name) as hub:
        hub.wait(hub.enqueue("job"))

        assert hub.records.uncalled(10) == []
        assert hub.callbacks.find(ALL, limit=10) == []


def test_error_is_told_after_the_last_attempt_without_traceback(
    redis_url: str, hub_name: str, wait_until: Wait
) -> None:
    @helper(retry=RetryPolicy(max_attempts=2, min_backoff=timedelta(milliseconds=1)))
    def twice(ctx: Context[Any]) -> None:
        message = "no"
        raise RuntimeError(message)

    with target() as there, calling(redis_url, hub_name, twice) as hub:
        hub.enqueue("twice", callback=there.url)
        wait_until(lambda: over(hub))

    (request,) = there.requests
    data = request.event["data"]
    assert (request.event["type"], data["attempt"]) == ("execution.error", 2)
    assert (data["error"]["type"], data["error"]["message"]) == ("RuntimeError", "no")
    assert "traceback" not in data["error"]


def expire(hub: Hub, url: str) -> str:
    id_ = hub.enqueue("job", callback=url, expires_after=timedelta(milliseconds=1))
    ended: list[int] = []
    while not sum(ended):
        ended.append(hub.scripts.sweep("default", start=0, limit=100)[1])
    return id_


def cancel(hub: Hub, url: str) -> str:
    id_ = hub.enqueue("job", callback=url)
    hub.executions.cancel(id_, reason="not wanted")
    return id_


def purge(hub: Hub, url: str) -> str:
    id_ = hub.enqueue("job", callback=url)
    hub.queues.purge("default")
    return id_


def lose_workers(hub: Hub, url: str) -> str:
    id_ = hub.enqueue("job", callback=url)
    for worker in ("w1", "w2", "w3"):
        hub.scripts.join(worker, lease_ms=30_000, about={"queues": "default"})
        hub.scripts.claim(worker, ["default"], number=1, want=1, will_wait=False, waited=False)
        hub.scripts.reap([Gone(worker, "SIGSEGV")])
    return id_


@pytest.mark.parametrize(
    ("end", "kind"),
    [(expire, "expired"), (cancel, "cancelled"), (purge, "cancelled"), (lose_workers, "error")],
)
def test_end_outside_a_worker_is_told(
    end: Callable[[Hub, str], str], kind: str, redis_url: str, hub_name: str, wait_until: Wait
) -> None:
    with target() as there, calling(redis_url, hub_name, worker=False, scheduler=False) as hub:
        id_ = end(hub, there.url)
        assert hub.records.uncalled(10) == [id_]

        with scheduling(hub), working(hub):
            wait_until(lambda: over(hub))

    (request,) = there.requests
    assert (request.headers["webhook-id"], request.event["type"]) == (id_, f"execution.{kind}")


def test_forged_execution_is_told_to_its_helper_and_not_where_the_forger_says(
    redis_url: str, hub_name: str, wait_until: Wait
) -> None:
    with target() as forgers, target() as helpers, calling(redis_url, hub_name, worker=False) as hub:
        hub.helpers.update("job", HelperUpdate(callback=helpers.url))
        id_ = hub.enqueue("job", callback="https://first.example.org/", delay=timedelta(hours=1))
        key = hub.scripts.keys.record(id_)
        raw = hub.scripts.client.get(key)
        url = b"https://first.example.org/"
        assert url in raw
        hub.scripts.client.set(
            key, raw.replace(url, f"http://127.0.0.1:{forgers.port}/".encode().ljust(len(url), b"x"))
        )
        hub.executions.cancel(id_, reason="")

        with working(hub):
            wait_until(lambda: over(hub))

    assert forgers.requests == []
    assert [request.headers["webhook-id"] for request in helpers.requests] == [id_]


def test_helper_declares_a_callback_and_an_operator_changes_it(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as first, target() as second, target() as own:

        @helper(callback=first.url, overlap=Overlap.ALLOW)
        def told(ctx: Context[Any]) -> None:
            """Do nothing."""

        with calling(redis_url, hub_name, told) as hub:
            hub.enqueue("told")
            wait_until(lambda: len(over(hub)) == 1)
            hub.enqueue("told", callback=own.url)
            wait_until(lambda: len(over(hub)) == 2)
            hub.helpers.update("told", HelperUpdate(callback=second.url))
            assert hub.helpers.show("told")["callback"] == second.url
            wait_until(lambda: hub.profiles.spec_of("told").callback == second.url)  # type: ignore[union-attr]
            hub.enqueue("told")
            wait_until(lambda: len(over(hub)) == 3)
            hub.helpers.update("told", HelperUpdate(callback=""))
            assert hub.helpers.show("told")["callback"] is None
            wait_until(lambda: hub.profiles.spec_of("told").callback is None)  # type: ignore[union-attr]
            hub.wait(hub.enqueue("told"))
            assert hub.records.uncalled(1) == []

    assert [len(found.requests) for found in (first, own, second)] == [1, 1, 1]


def test_due_time_that_expired_is_told_and_one_that_was_skipped_is_not(redis_url: str, hub_name: str) -> None:
    @helper(callback="https://shop.example.org/", schedule=Daily("07:30"))
    def daily(ctx: Context[Any]) -> None:
        """Do nothing."""

    with calling(redis_url, hub_name, daily, worker=False, scheduler=False) as hub:
        spec = hub.helpers.row("daily").spec
        expired, skipped = (PlannedId("daily", "", datetime(2026, 11, day, 7, 30, tzinfo=UTC)) for day in (21, 22))
        entries = [
            ("daily", planned.slot, 1, hub._record_of(spec, planned, 1), code, "missed")
            for planned, code in ((expired, "x"), (skipped, "k"))
        ]

        assert hub.scripts.enter_due(entries) == [3, 3]

        assert hub.records.uncalled(10) == [str(expired)]
        hub._ends.call_back()
        (callback,) = hub.callbacks.find(ALL, limit=10)
        assert (callback["execution"], callback["type"]) == (str(expired), "execution.expired")


def test_callback_is_tried_again_until_it_is_taken(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nnot today"
    with target(busy, NO_CONTENT) as there, calling(redis_url, hub_name) as hub:
        id_ = hub.enqueue("job", callback=there.url)
        wait_until(lambda: over(hub))
        (callback,) = over(hub)

    first, second = there.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == id_
    assert (callback["status"], callback["attempt"]) == ("success", 2)
    assert "answered 503" in callback["errors"][0]["message"]
    assert "it said: not today" in callback["errors"][0]["message"]
    assert "secret" not in callback["errors"][0]["message"]


def test_callback_that_is_given_up_is_a_dead_letter_and_can_be_sent_again(
    redis_url: str, hub_name: str, wait_until: Wait
) -> None:
    no = b"HTTP/1.1 500 No\r\n\r\n"
    with target(no, no, no, NO_CONTENT) as there, calling(redis_url, hub_name) as hub:
        id_ = hub.enqueue("job", callback=there.url)
        wait_until(lambda: over(hub))
        (dead,) = over(hub)
        assert (dead["status"], dead["attempt"]) == ("error", 3)
        assert [letter.id for letter in hub.dead_letters.find(limit=10)] == [f"callback:{id_}"]

        again = hub.callbacks.replay(dead["id"])
        wait_until(lambda: len(over(hub, execution=id_)) == 2)

        assert hub.callbacks.get(again)["status"] == "success"
        assert hub.dead_letters.count() == 0
        with pytest.raises(NotFound, match="no callback"):
            hub.callbacks.replay(id_)
    assert {request.headers["webhook-id"] for request in there.requests} == {id_}
    assert len({request.body for request in there.requests}) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1/\r\n\r\n", "redirects aren't followed"),
        (b"HTTP/1.1 410 Gone\r\n\r\n", "isn't called again"),
    ],
)
def test_refusal_says_why(answer: bytes, why: str, redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target(answer) as there, calling(redis_url, hub_name) as hub:
        hub.enqueue("job", callback=there.url)
        wait_until(lambda: over(hub))
        (callback,) = over(hub)

    assert callback["status"] == "error"
    assert why in callback["errors"][-1]["message"]
    assert len(there.requests) == (1 if b"410" in answer else 3)


def test_inside_target_is_refused_at_once_and_never_called(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, calling(redis_url, hub_name, CALLBACKS__ALLOW="intra.example.org") as hub:
        hub.enqueue("job", callback=there.url)
        wait_until(lambda: over(hub))
        (callback,) = over(hub)

    assert there.requests == []
    assert (callback["status"], callback["attempt"]) == ("error", 1)
    assert "leads inside" in callback["errors"][0]["message"]


def test_hanging_target_holds_up_no_longer_than_the_time_limit(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with (
        target(hang) as there,
        calling(redis_url, hub_name, CALLBACKS__TIMEOUT="200ms", CALLBACKS__DELAYS="1ms") as hub,
    ):
        hub.enqueue("job", callback=there.url)
        wait_until(lambda: over(hub))
        (callback,) = over(hub)

    assert callback["attempt"] == 2
    assert "didn't answer within 0.2 s" in callback["errors"][0]["message"]


def test_replay_of_an_execution_is_told_as_an_end_of_its_own(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, calling(redis_url, hub_name) as hub:
        first = hub.enqueue("job", "fail", callback=there.url)
        wait_until(lambda: len(over(hub)) == 1)

        ((_, second),) = hub.dead_letters.replay([first])
        wait_until(lambda: len(over(hub)) == 2)

    assert [request.headers["webhook-id"] for request in there.requests] == [first, second]
    assert there.requests[1].event["data"]["replay_of"] == first


def test_largest_payload_and_result_are_told(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, calling(redis_url, hub_name, MAX_PAYLOAD="2000") as hub:
        hub.enqueue("job", "x" * 1900, callback=there.url)
        wait_until(lambda: over(hub))

    assert there.requests[0].event["data"]["result"] == "x" * 1900


def test_many_ends_are_each_told_once(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, calling(redis_url, hub_name) as hub:
        ids = hub.enqueue_many([("job", number) for number in range(250)], callback=there.url)
        with scheduling(hub):  # a second one
            wait_until(lambda: len(there.requests) >= 250, seconds=20)
            wait_until(
                lambda: len(hub.callbacks.find(CallbackFilter(statuses=frozenset({Status.SUCCESS})), limit=500)) == 250
            )

    assert sorted(request.headers["webhook-id"] for request in there.requests) == sorted(ids)


def test_callback_execution_calls_nobody_back(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, calling(redis_url, hub_name) as hub:
        hub.enqueue("job", callback=there.url)
        wait_until(lambda: over(hub))

        assert hub.records.uncalled(10) == []
        assert len([*hub.records.of_helper(CALLBACK_HELPER)]) == 1


def test_callback_survives_the_spool() -> None:
    cipher = Cipher("main", HelperKeys(None, {}, use="encryption"))
    options = EnqueueOptions(id="1", callback="https://shop.example.org/")

    (part,) = read_line(write_line(cipher, [Order("job", None, options)], None, is_batch=False)).parts
    found = read_order(cipher, part).options

    assert found.callback == options.callback


def test_full_queue_holds_no_callback_back(redis_url: str, hub_name: str) -> None:
    with calling(redis_url, hub_name, worker=False, scheduler=False, QUEUES__DEFAULT__MAX_DEPTH="1") as hub:
        id_ = hub.enqueue("job", callback="https://shop.example.org/")
        hub.executions.cancel(id_, reason="")
        hub.enqueue("job")

        hub._ends.call_back()

        assert [one["execution"] for one in hub.callbacks.find(ALL, limit=10)] == [id_]
