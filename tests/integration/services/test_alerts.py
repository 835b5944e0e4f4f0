"""Alerts in a hub that runs: a cause reaches a sink in time, once, and what is over is told too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.services.targets import Target, target

from helperhub import Context, Every, Hub, RetryPolicy, helper
from helperhub.errors import Conflict, NotFound, UsageError
from helperhub.services.alert_delivery import ALERT_HELPER
from helperhub.services.audit import AuditFilter
from helperhub.store.watching import Watching
from helperhub.testing import find_strays
from helperhub.testing.running import build_hub, scheduling, working

Wait = Callable[..., None]
QUICK = {
    "HELPERHUB_CALLBACKS__ALLOW": "127.0.0.1",
    "HELPERHUB_ALERTS__EVERY": "200ms",
    "HELPERHUB_ALERTS__CALM": "100ms",
    "HELPERHUB_ALERTS__GROUP_FOR": "300ms",
}


@helper(retry=RetryPolicy(max_attempts=1))
def broken(ctx: Context[Any]) -> None:
    """Always fail."""
    message = "it is broken"
    raise RuntimeError(message)


@helper()
def fine(ctx: Context[Any]) -> str:
    """Do nothing."""
    return "done"


@helper(queue="low")
def slow(ctx: Context[Any]) -> None:
    """Waits in another queue."""


@contextmanager
def watched(
    redis_url: str, hub_name: str, there: Target, helpers: Iterable[Any] = (broken, fine), **more: str
) -> Iterator[Hub]:
    """Yield a hub that tells ``there`` of alerts; nothing is at work in it yet."""
    settings = {"HELPERHUB_HUB": hub_name, **QUICK, "HELPERHUB_ALERTS__WEBHOOKS": there.url, **more}
    hub = build_hub(helpers, url=redis_url, settings=settings)
    hub.register()
    try:
        yield hub
        assert find_strays(hub.scripts.client, hub.scripts.keys) == []
    finally:
        hub.close()


def told(there: Target) -> list[tuple[str, str | None, list[str]]]:
    """Return what a target was told: type, rule and subjects."""
    events = [request.event for request in list(there.requests)]
    return [
        (event["type"], event["data"]["rule"], [alert["subject"] for alert in event["data"]["alerts"]])
        for event in events
    ]


def deliveries_of(hub: Hub) -> list[str]:
    return [one.status.value for one in hub.records.of_helper(ALERT_HELPER)]


def test_dead_letter_is_told_acknowledged_and_its_end_told(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub, working(hub), scheduling(hub):
        begun = time.monotonic()
        hub.enqueue("broken")
        wait_until(lambda: told(there))
        took_s = time.monotonic() - begun
        (firing,) = hub.alerts.all()
        acknowledged = hub.alerts.acknowledge(firing["id"], note="on it")
        hub.dead_letters.delete([one.id for one in hub.records.dead()])
        wait_until(lambda: len(told(there)) > 1)
        wait_until(lambda: not hub.alerts.all())
        (over,) = hub.alerts.all(resolved=True)
        # Whoever is told knows it a moment before the outcome is recorded.
        wait_until(lambda: deliveries_of(hub) == ["success", "success"])

    assert took_s < 10
    subject = "helper:broken"
    assert told(there) == [
        ("alert.firing", "dead_letters", [subject]),
        ("alert.resolved", "dead_letters", [subject]),
    ]
    assert (firing["state"], firing["value"], firing["told_at"] is not None) == ("firing", 1, True)
    assert (acknowledged["state"], acknowledged["note"]) == ("acknowledged", "on it")
    assert (over["state"], over["id"]) == ("resolved", firing["id"])
    assert {request.headers["webhook-id"] for request in there.requests}.isdisjoint({firing["id"]})


def test_two_schedulers_tell_once(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub, ExitStack() as stack:
        stack.enter_context(working(hub))
        # Each with a memory of its own, as in processes of their own.
        watches = [hub.build_alert_watch() for _ in range(4)]
        hub.wait(hub.enqueue("broken"))
        start = threading.Barrier(len(watches))

        def turn(watch: Any) -> None:
            start.wait(10)
            for _ in range(5):
                watch.turn()

        threads = [threading.Thread(target=turn, args=(watch,)) for watch in watches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: told(there))
        wait_until(lambda: not Watching(hub.scripts.client, hub.scripts.keys).in_hand())

    assert len(told(there)) == 1


def test_scheduler_that_dies_after_writing_loses_no_notification(
    redis_url: str, hub_name: str, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub, working(hub):
        hub.wait(hub.enqueue("broken"))
        dying, other = hub.build_alert_watch(), hub.build_alert_watch()
        with monkeypatch.context() as patched:
            # Where a kill would strike: what fires is written, and nothing is handed on.
            patched.setattr(type(dying.relay), "hand_on", lambda *_args, **_more: 0)
            dying.turn()
        assert len(hub.alerts.all()) == 1
        assert told(there) == []

        other.turn()
        wait_until(lambda: told(there))

    assert len(told(there)) == 1


def test_what_fires_at_once_is_told_in_one_message(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub:
        for queue in range(60):
            hub.alerts.set("queue_depth", 0, subject=f"queue:q{queue}")
            hub.scripts.client.sadd(hub.scripts.keys.at("queues"), f"q{queue}")
            hub.scripts.client.zadd(hub.scripts.keys.at("ready", f"q{queue}"), {"x": 1})
        with working(hub, queues=["high"]):
            hub.build_alert_watch().turn()
            wait_until(lambda: told(there))
        for queue in range(60):
            hub.scripts.client.delete(hub.scripts.keys.at("ready", f"q{queue}"))

    depth = [request.event["data"] for request in there.requests if request.event["data"]["rule"] == "queue_depth"]
    assert [(one["count"], len(one["alerts"])) for one in depth] == [(60, 50)]
    assert "And 10 more." in depth[0]["text"]


def test_without_worker_the_scheduler_tells_itself(redis_url: str, hub_name: str, wait_until: Wait) -> None:
    with target() as there, watched(redis_url, hub_name, there, HELPERHUB_ALERTS__NO_WORKER="100ms") as hub:
        hub.enqueue("fine")
        with scheduling(hub):
            wait_until(lambda: told(there))
            wait_until(lambda: not hub.alerts.store.notices())
        assert list(hub.records.of_helper(ALERT_HELPER)) == []
        hub.queues.purge("default")

    assert told(there) == [("alert.firing", "no_worker", ["hub"])]


def test_target_that_fails_by_hand_is_tried_again_and_the_other_not_told_twice(redis_url: str, hub_name: str) -> None:
    with target(b"HTTP/1.1 500 No\r\n\r\n", b"HTTP/1.1 204 Yes\r\n\r\n") as bad, target() as good:
        both = {"HELPERHUB_ALERTS__WEBHOOKS": f"{bad.url},{good.url}"}
        with watched(redis_url, hub_name, good, **both) as hub:
            relay = hub.build_alert_watch().relay
            id_ = hub.alerts.test()
            now_ms = hub.scripts.due(limit=1).now_ms

            first = relay.hand_on(now_ms=now_ms, by_workers=False)
            at_once = relay.hand_on(now_ms=now_ms + 1000, by_workers=False)
            later = relay.hand_on(now_ms=now_ms + 31_000, by_workers=False)

            assert (first, at_once, later) == (0, 0, 1)
            assert hub.alerts.store.notices() == {}

    assert (len(bad.requests), len(good.requests)) == (2, 1)
    assert bad.requests[1].headers["webhook-id"] == id_


def test_forged_notification_is_told_nobody(redis_url: str, hub_name: str) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub:
        forged = b'{"id":"n1","first":true,"second":true,"sent":[],"held_ms":0,"event":{"data":{"title":"pay me"}}}'
        hub.scripts.client.hset(hub.scripts.keys.at("notices"), "n1", forged)

        hub.build_alert_watch().relay.hand_on(now_ms=1, by_workers=False)

        assert hub.alerts.store.notices() == {}
    assert there.requests == []


def test_failure_to_tell_raises_no_alert(redis_url: str, hub_name: str) -> None:
    with target(b"HTTP/1.1 410 Gone\r\n\r\n") as there, watched(redis_url, hub_name, there) as hub:
        hub.alerts.set("failures", 0, subject="hub")
        with working(hub):
            watch = hub.build_alert_watch()
            id_ = hub.alerts.test()
            watch.turn()
            name = hub.alert_targets[0].name
            execution = hub.wait(f"alert:{id_}:{name}")
            watch.turn()
        alerts = hub.alerts.all(resolved=True)

    assert (execution.status.value, execution.attempt) == ("error", 1)
    assert "token=secret" not in str(execution.to_document())
    assert alerts == []


def test_helper_that_was_due_without_success_is_absent_until_it_succeeds(redis_url: str, hub_name: str) -> None:
    failing = threading.Event()
    failing.set()

    @helper(schedule=Every(timedelta(seconds=2)), retry=RetryPolicy(max_attempts=1))
    def pulse(ctx: Context[Any]) -> None:
        if failing.is_set():
            message = "no"
            raise RuntimeError(message)

    absent = [("helper:pulse", "helper_absent")]
    more = {"HELPERHUB_ALERTS__HELPER_ABSENT": "200ms", "HELPERHUB_ALERTS__OFF": "dead_letters,failures"}
    with target() as there, watched(redis_url, hub_name, there, (pulse,), **more) as hub:
        with working(hub), scheduling(hub):
            wait(lambda: [(one["subject"], one["rule"]) for one in hub.alerts.all()] == absent)
            failing.clear()
            wait(lambda: hub.alerts.all() == [])
        hub.dead_letters.delete([one.id for one in hub.records.dead()])


def test_failures_are_counted_as_they_come_and_anew_after_a_restart(redis_url: str, hub_name: str) -> None:
    settings = {"HELPERHUB_ALERTS__FAILURES": "2", "HELPERHUB_ALERTS__OFF": "dead_letters"}
    with target() as there, watched(redis_url, hub_name, there, **settings) as hub, working(hub):
        watch = hub.build_alert_watch()
        for _ in range(2):
            hub.wait(hub.enqueue("broken"))
        watch.turn()
        assert hub.alerts.all() == []

        hub.wait(hub.enqueue("broken"))
        # What is cleared has failed all the same.
        hub.dead_letters.delete([one.id for one in hub.records.dead()])
        watch.turn()
        (alert,) = hub.alerts.all()
        hub.build_alert_watch().turn()
        (after,) = hub.alerts.all()
        hub.wait(hub.enqueue("fine"))
        wait(lambda: not hub.alerts.store.notices())

    assert (alert["rule"], alert["subject"], alert["value"]) == ("failures", "helper:broken", 3)
    assert (after["id"], after["state"]) == (alert["id"], "firing")


def test_failures_of_long_ago_no_longer_count(redis_url: str, hub_name: str) -> None:
    settings = {"HELPERHUB_ALERTS__FAILURES": "0", "HELPERHUB_ALERTS__WINDOW": "2s"}
    with target() as there, watched(redis_url, hub_name, there, **settings) as hub, working(hub):
        watch = hub.build_alert_watch()
        hub.wait(hub.enqueue("broken"))
        watch.turn()
        assert {one["rule"] for one in hub.alerts.all()} == {"failures", "dead_letters"}

        wait(lambda: watch.turn() >= 0 and not hub.alerts.all())
        assert hub.records.count_dead() == 1


def test_queue_in_another_shard_counts_and_a_shard_that_is_away_decides_nothing(
    redis_url: str, hub_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"HELPERHUB_SHARDS": "2", "HELPERHUB_QUEUES__LOW__SHARD": "1", "HELPERHUB_ALERTS__QUEUE_DEPTH": "0"}
    there = Target([b""])
    there.port = 9
    with watched(redis_url, hub_name, there, (slow,), **settings) as hub:
        hub.enqueue("slow")
        watch = hub.build_alert_watch()
        watch.turn()
        assert [one["subject"] for one in hub.alerts.all()] == ["queue:low"]

        with monkeypatch.context() as patched:
            # As if its server were away, and that for long.
            patched.setattr("helperhub.services.alert_facts._try_figures", lambda _part: None)
            time.sleep(0.15)
            watch.turn()
            watch.turn()
        assert [one["state"] for one in hub.alerts.all()] == ["firing"]
        hub.queues.purge("low")


def test_lost_worker_process_is_told(redis_url: str, hub_name: str) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub:
        hub.scripts.join("machine:17:abcd", lease_ms=1, about={"queues": "default"})
        wait(hub.scripts.reap)

        hub.build_alert_watch().turn()

        (alert,) = hub.alerts.all()
        assert (alert["rule"], alert["subject"], alert["value"]) == ("worker_lost", "worker:machine", 1)


def test_scheduler_that_fell_silent_is_lost_and_one_that_stopped_is_not(redis_url: str, hub_name: str) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub:
        now_ms = hub.scripts.due(limit=1).now_ms
        heard = {"a:1:x": now_ms - 20_000, "b:1:x": now_ms - 20_000, "c:1:x": now_ms}
        hub.scripts.client.zadd(hub.scripts.keys.at("schedulers"), heard)
        hub.catalogue.note_stopped("b:1:x", now_ms=now_ms)

        hub.build_alert_watch().turn()

        assert [one["subject"] for one in hub.alerts.all()] == ["scheduler:a"]
        hub.scripts.client.delete(hub.scripts.keys.at("schedulers"))


def test_thresholds_change_at_run_time_and_are_audited(redis_url: str, hub_name: str) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub:
        hub.alerts.set("queue_depth", 5)
        hub.alerts.set("queue_depth", None, subject="queue:low")
        hub.alerts.reset("queue_depth", subject="queue:high")
        rule = next(one for one in hub.alerts.rules() if one["rule"] == "queue_depth")
        hub.alerts.reset("queue_depth")
        after = next(one for one in hub.alerts.rules() if one["rule"] == "queue_depth")
        noted = [entry["action"] for entry in hub.audit.find(AuditFilter(action="alert."), limit=9)]

    assert (rule["threshold"], rule["setting"]) == (5, 100)
    assert rule["subjects"] == [{"subject": "queue:low", "threshold": None, "shown": "off"}]
    assert after["threshold"] == 100
    assert noted == ["alert.reset-rule", "alert.set-rule", "alert.set-rule"]


@pytest.mark.parametrize(
    ("rule", "value", "subject", "error"),
    [
        ("depth", 1, "", NotFound),
        ("queue_depth", 1.5, "", UsageError),
        ("queue_depth", -1, "", UsageError),
        ("redis_memory", 1.1, "", UsageError),
        ("queue_depth", 1, "helper:fine", UsageError),
        ("queue_depth", 1, "queue:", UsageError),
        ("failures", 1, "helper:unknown", NotFound),
        ("no_worker", 1, "hub", UsageError),
    ],
)
def test_threshold_that_cannot_be_is_refused(
    redis_url: str, hub_name: str, rule: str, value: float, subject: str, error: type[Exception]
) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub, pytest.raises(error):
        hub.alerts.set(rule, value, subject=subject)


def test_alert_that_is_unknown_or_over_cannot_be_taken_on(redis_url: str, hub_name: str) -> None:
    with target() as there, watched(redis_url, hub_name, there) as hub:
        hub.scripts.join("machine:17:abcd", lease_ms=1, about={"queues": "default"})
        wait(hub.scripts.reap)
        watch = hub.build_alert_watch()
        watch.turn()
        (alert,) = hub.alerts.all()
        hub.alerts.set("worker_lost", None)
        wait(lambda: watch.turn() >= 0 and not hub.alerts.all())

        with pytest.raises(Conflict):
            hub.alerts.acknowledge(alert["id"])
        with pytest.raises(NotFound):
            hub.alerts.acknowledge("nothing")


def wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
