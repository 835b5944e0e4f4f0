"""What a Sentry project gets from a hub that works."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import sentry_sdk
from pytest_httpserver import HTTPServer
from tests.envelopes import received
from werkzeug import Response

from helperhub import Every, Hub, RetryPolicy, helper
from helperhub.telemetry.monitors import build_slug
from helperhub.testing.running import build_hub, scheduling, working

Start = Callable[..., Hub]
WaitUntil = Callable[..., None]
_HOURLY = Every(timedelta(hours=1))


@helper(schedule=_HOURLY)
def fine(ctx: Any) -> str:
    """Succeed."""
    return "done"


@helper(schedule=_HOURLY, retry=RetryPolicy(max_attempts=2, delays=(timedelta(milliseconds=1),)))
def broken(ctx: Any) -> None:
    """Always fail."""
    message = "it is broken"
    raise RuntimeError(message)


@helper(schedule=_HOURLY, expires_after=timedelta(seconds=1))
def short(ctx: Any) -> None:
    """Expire soon."""


@helper(schedule=Every(timedelta(seconds=1)), expires_after=timedelta(seconds=1))
def rapid(ctx: Any) -> None:
    """Be due every second."""


@pytest.fixture
def start(redis_url: str, hub_name: str, httpserver: HTTPServer) -> Iterator[Start]:
    """Builds a hub that reports to a sink in this process; Sentry is off again after the test."""
    httpserver.expect_request("/api/7/envelope/").respond_with_response(Response("{}", content_type="application/json"))
    with ExitStack() as stack:

        def begin(*helpers: Any, **settings: str) -> Hub:
            dsn = f"http://public@{httpserver.host}:{httpserver.port}/7"
            known = {"HELPERHUB_HUB": hub_name, "HELPERHUB_SENTRY_DSN": dsn}
            hub = build_hub(helpers, url=redis_url, settings=known | settings)
            stack.callback(hub.close)
            hub.start_reports()
            hub.register()
            return hub

        yield begin
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_isolation_scope().clear()


def run_next(hub: Hub, name: str) -> str:
    """Make the next planned execution of a helper due now; return its id."""
    hub._planner.plan()
    planned = hub.plan.upcoming(helper=name, limit=1)[0].id
    hub.plan.run(planned, reason="a test")
    return planned


def check_ins(sink: HTTPServer) -> list[tuple[str, str]]:
    return [(found["monitor_slug"], found["status"]) for found in received(sink, "check_in")]


def test_scheduled_execution_checks_in_when_it_starts_and_when_it_ends(
    start: Start, httpserver: HTTPServer, wait_until: WaitUntil
) -> None:
    hub = start(fine)

    with working(hub), scheduling(hub):
        hub.wait(run_next(hub, "fine"))
        wait_until(lambda: len(check_ins(httpserver)) == 2)

    begun, ended = received(httpserver, "check_in")
    assert check_ins(httpserver) == [("fine", "in_progress"), ("fine", "ok")]
    assert begun["check_in_id"] == ended["check_in_id"]
    assert ended["duration"] < 10
    assert begun["monitor_config"]["schedule"] == {"type": "interval", "value": 1, "unit": "hour"}


def test_execution_that_fails_is_one_error_after_its_last_attempt(
    start: Start, httpserver: HTTPServer, wait_until: WaitUntil
) -> None:
    hub = start(broken)

    with working(hub):
        planned = run_next(hub, "broken")
        hub._planner.plan()
        clock = hub.build_clock()
        clock._promoter.promote()
        hub.wait(planned)
        wait_until(lambda: received(httpserver, "event"))
        wait_until(lambda: len(check_ins(httpserver)) == 3)

    assert check_ins(httpserver) == [("broken", "in_progress"), ("broken", "in_progress"), ("broken", "error")]
    (event,) = received(httpserver, "event")
    assert (event["tags"]["execution_id"], event["tags"]["plugin"]) == (planned, "helperhub-test")
    assert event["tags"]["plugin_version"] == "0"


def test_what_expires_where_no_worker_runs_it_is_told_by_the_scheduler(
    start: Start, httpserver: HTTPServer, wait_until: WaitUntil
) -> None:
    hub = start(short)

    with scheduling(hub):
        planned = run_next(hub, "short")
        wait_until(lambda: hub.executions.show(planned).status == "queued")
        due = hub.executions.show(planned).expires_at
        wait_until(lambda: due is not None and hub._redis_time() > due)
        hub.scripts.sweep("default", start=0, limit=10)
        wait_until(lambda: check_ins(httpserver))

    assert check_ins(httpserver) == [("short", "error")]


def test_missed_due_times_are_told_by_the_next_scheduler(
    start: Start, httpserver: HTTPServer, wait_until: WaitUntil
) -> None:
    hub = start(rapid, HELPERHUB_SCHEDULER__GRACE="1s")
    hub._planner.plan()
    first = hub.plan.upcoming(helper="rapid", limit=1)[0]
    assert first.due_at is not None
    missed_at = first.due_at + timedelta(seconds=3)
    wait_until(lambda: hub._redis_time() > missed_at)

    with scheduling(hub):
        wait_until(lambda: check_ins(httpserver))

    assert hub.executions.show(first.id).status == "expired"
    assert set(check_ins(httpserver)) == {("rapid", "error")}


def test_what_a_person_starts_has_no_check_in(start: Start, httpserver: HTTPServer, wait_until: WaitUntil) -> None:
    hub = start(fine, broken)

    with working(hub):
        hub.wait(hub.enqueue("fine"))
        hub.wait(hub.enqueue("broken"))
        wait_until(lambda: received(httpserver, "event"))

    assert received(httpserver, "check_in") == received(httpserver, "transaction") == []


def test_attempts_are_transactions_without_payload_where_that_is_asked_for(
    start: Start, httpserver: HTTPServer, wait_until: WaitUntil
) -> None:
    hub = start(fine, HELPERHUB_SENTRY__TRACES_SAMPLE_RATE="1", HELPERHUB_SENTRY__ENVIRONMENT="staging")

    with working(hub):
        hub.wait(hub.enqueue("fine", {"pin": "s3cret"}))
        wait_until(lambda: received(httpserver, "transaction"))

    (found,) = received(httpserver)
    assert (found["transaction"], found["environment"]) == ("fine", "staging")
    assert found["contexts"]["trace"]["status"] == "ok"
    assert "s3cret" not in json.dumps(found)


def test_sentry_that_is_away_holds_nothing_up(start: Start, httpserver: HTTPServer) -> None:
    hub = start(fine, HELPERHUB_SENTRY_DSN="http://public@127.0.0.1:9/7", HELPERHUB_SENTRY__TRACES_SAMPLE_RATE="1")

    began = time.monotonic()
    with working(hub):
        for execution_id in hub.enqueue_many([("fine", None)] * 50):
            assert hub.wait(execution_id).status == "success"

    assert time.monotonic() - began < 5
    assert received(httpserver) == []


def test_hub_without_sentry_has_no_policy_for_it(redis_url: str, hub_name: str) -> None:
    hub = build_hub([fine], url=redis_url, settings={"HELPERHUB_HUB": hub_name})

    names = [type(middleware).__name__ for middleware in hub.broker.middleware]

    assert "SentryReports" not in names
    assert hub.late_check_ins is None
    hub.close()


def test_monitors_of_instances_and_schedules_have_slugs_of_their_own() -> None:
    assert len({build_slug("a", ""), build_slug("a/b", ""), build_slug("a", "b")}) == 3
