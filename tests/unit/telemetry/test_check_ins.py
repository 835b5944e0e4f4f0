from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sentry_sdk
from pytest_httpserver import HTTPServer
from tests.envelopes import received
from werkzeug import Response

from helperhub.model.helper import HelperSpec
from helperhub.model.schedule import Daily
from helperhub.telemetry.check_ins import Attempt, CheckIns, send_transaction
from helperhub.telemetry.monitors import MonitorRules
from helperhub.telemetry.sentry import start_sentry

SPEC = HelperSpec("weather", instance="rome", schedules={"": Daily("07:30")}, payload={"pin": "s3cret"})
RULES = MonitorRules("UTC", timedelta(minutes=5), lambda _: timedelta(minutes=10))
CHECK_INS = CheckIns(RULES, lambda helper: SPEC if helper == SPEC.key else None)
PLANNED = "weather/rome@20261123T073000Z"
ATTEMPT = Attempt(
    execution_id="a1",
    helper="weather/rome",
    queue="low",
    attempt=2,
    outcome="dead",
    failed=True,
    ran=timedelta(seconds=2),
    waited=timedelta(milliseconds=30),
)
NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)


@pytest.fixture
def sink(httpserver: HTTPServer) -> Iterator[HTTPServer]:
    """Sentry is started with a project at a server in this process; it is off again after the test."""
    httpserver.expect_request("/api/7/envelope/").respond_with_response(Response("{}", content_type="application/json"))
    start_sentry(f"http://public@{httpserver.host}:{httpserver.port}/7", release="helperhub@1", environment="main")
    yield httpserver
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_isolation_scope().clear()


def test_start_and_end_of_an_execution_are_one_check_in_of_its_schedules_monitor(sink: HTTPServer) -> None:
    CHECK_INS.send(PLANNED, "in_progress")
    CHECK_INS.send(PLANNED, "ok", duration=timedelta(seconds=1.5))

    sentry_sdk.flush(5)
    start, end = received(sink, "check_in")
    assert start["check_in_id"] == end["check_in_id"]
    assert (start["status"], end["status"], end["duration"]) == ("in_progress", "ok", 1.5)
    assert (start["release"], start["environment"]) == ("helperhub@1", "main")
    assert start["monitor_slug"] == end["monitor_slug"] == RULES.monitor(SPEC, "").slug
    assert end["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "30 7 * * *"},
        "timezone": "UTC",
        "checkin_margin": 5,
        "max_runtime": 10,
    }


def test_check_in_holds_nothing_but_what_stands_in_it(sink: HTTPServer) -> None:
    sentry_sdk.set_tag("payload", "s3cret")
    sentry_sdk.set_context("dramatiq", {"args": ["s3cret"]})

    CHECK_INS.send(PLANNED, "error")

    sentry_sdk.flush(5)
    (found,) = received(sink)
    assert set(found) == {"check_in_id", "monitor_slug", "status", "release", "environment", "monitor_config"}
    assert "s3cret" not in json.dumps(found)


@pytest.mark.parametrize("execution_id", ["by-hand", "gone@20261123T073000Z"])
def test_what_no_schedule_of_the_catalogue_planned_has_no_monitor(sink: HTTPServer, execution_id: str) -> None:
    assert not CHECK_INS.send(execution_id, "ok")

    sentry_sdk.flush(5)
    assert received(sink) == []


def test_attempt_is_a_transaction_named_by_its_helper(sink: HTTPServer) -> None:
    send_transaction(ATTEMPT, sample_rate=1.0, now=NOW)

    sentry_sdk.flush(5)
    (found,) = received(sink, "transaction")
    assert (found["transaction"], found["timestamp"] - found["start_timestamp"]) == ("weather/rome", 2.0)
    assert found["contexts"]["trace"]["status"] == "internal_error"
    assert found["contexts"]["trace"]["data"]["messaging.message.retry.count"] == 1
    assert found["tags"] == {
        "helper": "weather",
        "instance": "rome",
        "queue": "low",
        "outcome": "dead",
        "execution_id": "a1",
    }


def test_share_of_the_attempts_is_sent(sink: HTTPServer) -> None:
    sent = [send_transaction(replace(ATTEMPT, execution_id=str(n)), sample_rate=0.5) for n in range(60)]

    sentry_sdk.flush(5)
    assert 0 < sum(sent) < 60
    assert len(received(sink, "transaction")) == sum(sent)
    assert not send_transaction(ATTEMPT, sample_rate=0.0)


def test_without_a_dsn_check_ins_load_nothing_of_sentry() -> None:
    code = """
import sys
from datetime import timedelta
from helperhub.telemetry.check_ins import CheckIns
from helperhub.telemetry.monitors import MonitorRules
rules = MonitorRules("UTC", timedelta(minutes=5), lambda _: timedelta(minutes=10))
assert not CheckIns(rules, lambda _: None).send("weather@20261123T073000Z", "ok")
assert "sentry_sdk" not in sys.modules
"""

    subprocess.run([sys.executable, "-c", code], check=True)
