from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from pytest_httpserver import HTTPServer
from tests.envelopes import received
from werkzeug import Response

from helperhub.errors import ConfigurationError
from helperhub.model.execution import AttemptError, Execution, Status
from helperhub.telemetry.sentry import report_given_up, start_sentry


@pytest.fixture
def dsn(httpserver: HTTPServer) -> Iterator[str]:
    """A project at a server in this process; Sentry is off again after the test."""
    httpserver.expect_request("/api/7/envelope/").respond_with_response(Response("{}", content_type="application/json"))
    yield f"http://public@{httpserver.host}:{httpserver.port}/7"
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_isolation_scope().clear()


def events(httpserver: HTTPServer) -> list[dict[str, Any]]:
    """Return every event that arrived; fails on anything else."""
    sentry_sdk.flush(5)
    found = received(httpserver, "event")
    assert found == received(httpserver)
    return found


def given_up(**values: Any) -> dict[str, Any]:
    known = {"payload": {"pin": "s3cret"}, "result": "s3cret", "metadata": {"user": "s3cret"}, "reason": "gave up"}
    execution = Execution("weather/rome@20261123T083000Z", "weather/rome", "low", 3, Status.ERROR, **(known | values))
    return execution.to_document()


def raised(payload: str = "s3cret") -> BaseException:
    try:
        _fail(payload)
    except ValueError as error:
        return error
    raise AssertionError


def _fail(payload: str) -> None:
    local = payload * 2
    if local:
        message = "no luck"
        raise ValueError(message)


def test_execution_that_was_given_up_is_one_event_with_its_ids(dsn: str, httpserver: HTTPServer) -> None:
    start_sentry(dsn, release="helperhub@1.2.0", environment="main")

    report_given_up(given_up(attempt=4, delivery=5), raised())

    (event,) = events(httpserver)
    assert event["tags"] == {
        "helper": "weather",
        "instance": "rome",
        "queue": "low",
        "attempt": "4",
        "delivery": "5",
        "execution_id": "weather/rome@20261123T083000Z",
    }
    assert (event["release"], event["environment"], event["level"]) == ("helperhub@1.2.0", "main", "error")
    (error,) = event["exception"]["values"]
    assert (error["type"], error["value"]) == ("ValueError", "no luck")
    assert [frame["function"] for frame in error["stacktrace"]["frames"]] == ["raised", "_fail"]


def test_event_holds_neither_payload_nor_local_variables_nor_the_command_line(dsn: str, httpserver: HTTPServer) -> None:
    start_sentry(dsn, release="helperhub@1.2.0", environment="main")
    sentry_sdk.set_extra("payload", "s3cret")
    sentry_sdk.set_tag("payload", "s3cret")
    sentry_sdk.set_user({"id": "s3cret"})
    sentry_sdk.set_context("dramatiq", {"data": {"args": ["s3cret"]}})
    sentry_sdk.add_breadcrumb(message="s3cret")

    report_given_up(given_up(), raised())

    (event,) = events(httpserver)
    # The source around a frame is code, not data.
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert not any("vars" in frame for frame in frames)
    for frame in frames:
        for source in ("pre_context", "context_line", "post_context"):
            frame.pop(source, None)
    assert "s3cret" not in json.dumps(event)
    assert "sys.argv" not in json.dumps(event)


def test_event_without_an_exception_tells_the_reason(dsn: str, httpserver: HTTPServer) -> None:
    start_sentry(dsn, release="helperhub@1.2.0", environment="main")
    lost = AttemptError(type="WorkerLost", message="killed by SIGKILL")

    report_given_up(given_up(errors=(lost,)), None)

    (event,) = events(httpserver)
    assert event["logentry"] == {"formatted": "weather: killed by SIGKILL"}
    assert event["fingerprint"] == ["helperhub", "weather", "WorkerLost"]


def test_second_report_of_one_execution_is_the_same_event(dsn: str, httpserver: HTTPServer) -> None:
    start_sentry(dsn, release="helperhub@1.2.0", environment="main")

    report_given_up(given_up(), raised())
    report_given_up(given_up(), raised())
    report_given_up({**given_up(), "id": "other"}, raised())

    ids = [event["event_id"] for event in events(httpserver)]
    assert ids[0] == ids[1] != ids[2]


def test_error_records_send_no_event(dsn: str, httpserver: HTTPServer) -> None:
    start_sentry(dsn, release="helperhub@1.2.0", environment="main")

    try:
        _fail("retried")
    except ValueError:
        logging.getLogger("helperhub.execution").exception("attempt_finished")

    assert events(httpserver) == []


@pytest.mark.parametrize("dsn", ["s3cret", "https://sentry.example.org/s3cret"])
def test_dsn_that_is_none_is_refused_without_being_shown(dsn: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        start_sentry(dsn, release="", environment="")

    assert "HELPERHUB_SENTRY_DSN is not a Sentry DSN." in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_without_a_dsn_nothing_of_sentry_is_loaded_or_sent() -> None:
    code = """
import sys
from helperhub.telemetry.sentry import report_given_up, start_sentry
from tests.envelopes import received
start_sentry("", release="", environment="")
report_given_up({"id": "a", "helper": "a"}, ValueError())
assert "sentry_sdk" not in sys.modules
"""

    subprocess.run([sys.executable, "-c", code], check=True)


def test_secrets_in_an_errors_text_stay_here(dsn: str, httpserver: HTTPServer) -> None:
    start_sentry(dsn, release="helperhub@1", environment="main")
    error = ValueError("no door for sesame-7, password=hunter2")

    report_given_up(given_up(), error, ["sesame-7"])

    (event,) = events(httpserver)
    assert event["exception"]["values"][0]["value"] == "no door for [redacted], password=[redacted]"
