from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import warnings
from datetime import UTC, datetime
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from helperhub.telemetry.logs import LogFormat, log_context, reset_log_context, set_log_context, setup_logging

log = logging.getLogger("helperhub.tests")


def written(*, level: str = "info", layout: LogFormat = "json") -> io.StringIO:
    stream = io.StringIO()
    setup_logging(level=level, format=layout, stream=stream)
    return stream


def fail(_payload: str = "") -> None:
    message = "no luck"
    raise ValueError(message)


def documents(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_record_has_time_level_event_logger_and_fields() -> None:
    stream = written()
    before = datetime.now(UTC)

    log.info("execution_finished", extra={"execution_id": "a@1", "queue_time_ms": 3, "worker_id": "w", "none": None})

    (document,) = documents(stream)
    at = document.pop("at")
    assert at.endswith("Z")
    assert abs((datetime.fromisoformat(at) - before).total_seconds()) < 5
    assert document == {
        "level": "info",
        "event": "execution_finished",
        "logger": "helperhub.tests",
        "execution_id": "a@1",
        "queue_time_ms": 3,
        "worker_id": "w",
        "none": None,
    }


def test_json_record_of_an_exception_is_one_line_with_its_traceback() -> None:
    stream = written()

    try:
        fail()
    except ValueError:
        log.exception("schedule_failed", extra={"when": datetime(2026, 1, 1, tzinfo=UTC)})

    (document,) = documents(stream)
    assert document["traceback"].endswith("ValueError: no luck")
    assert document["when"].startswith("2026-01-01T00:00:00")


def test_text_record_has_time_level_event_and_fields() -> None:
    stream = written(layout="text")

    log.warning("lease_lost", extra={"worker_id": "w 1", "count": 2, "ok": True, "names": ["a"], "none": None})

    time, rest = stream.getvalue().split(" ", 1)
    assert datetime.fromisoformat(time).tzinfo is not None
    assert rest == 'warning lease_lost worker_id="w 1" count=2 ok=true names=["a"]\n'


@pytest.mark.parametrize("traceback_as_field", [True, False])
def test_text_record_has_its_traceback_on_lines_of_its_own(traceback_as_field: bool) -> None:
    stream = written(layout="text")

    try:
        fail()
    except ValueError:
        if traceback_as_field:
            log.error("attempt_finished", extra={"traceback": "Traceback:\nValueError: no luck\n"})  # noqa: TRY400
        else:
            log.exception("attempt_finished")

    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("error attempt_finished")
    assert lines[1].startswith("Traceback")
    assert lines[-1] == "ValueError: no luck"


def test_text_record_can_not_be_forged_by_what_is_logged() -> None:
    stream = written(layout="text")

    log.info("odd\n2026 info forged", extra={"value": "x\n2026 info forged", "list": ["\n"]})

    assert len(stream.getvalue().splitlines()) == 1
    assert "odd\\n2026 info forged" in stream.getvalue()


def test_format_is_json_where_nobody_watches_and_text_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file, terminal = io.StringIO(), Terminal()

    setup_logging(level="info", format="auto", stream=file)
    log.info("started")
    setup_logging(level="info", format="auto", stream=terminal)
    log.info("started")

    assert file.getvalue().startswith("{")
    assert terminal.getvalue().endswith(" info started\n")


def test_second_set_up_replaces_the_first() -> None:
    first = written()
    second = written()

    log.info("started")

    assert first.getvalue() == ""
    assert len(documents(second)) == 1


def test_records_below_the_level_are_not_written() -> None:
    stream = written(level="warning")

    log.info("started")

    assert stream.getvalue() == ""


def test_warnings_are_logged() -> None:
    stream = written()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old ways", UserWarning, stacklevel=1)

    (document,) = documents(stream)
    assert document["logger"] == "py.warnings"
    assert "old ways" in document["event"]


def test_record_inside_a_context_carries_its_fields() -> None:
    stream = written()

    with log_context(execution_id="a@1", helper="a"):
        with log_context(attempt=2):
            log.info("inner")
        log.info("outer", extra={"helper": "own"})
    log.info("outside")

    inner, outer, outside = documents(stream)
    assert (inner["execution_id"], inner["helper"], inner["attempt"]) == ("a@1", "a", 2)
    assert (outer["execution_id"], outer["helper"]) == ("a@1", "own")
    assert "attempt" not in outer
    assert "execution_id" not in outside


def test_context_that_is_set_lasts_until_it_is_set_anew() -> None:
    stream = written()

    set_log_context({"execution_id": "a@1", "attempt": 1})
    log.info("first")
    set_log_context({"execution_id": "b@1"})
    log.info("second")
    set_log_context({})
    log.info("third")
    set_log_context({"execution_id": "c@1"})
    reset_log_context()
    log.info("fourth")

    first, second, third, fourth = documents(stream)
    assert (first["execution_id"], first["attempt"]) == ("a@1", 1)
    assert second["execution_id"] == "b@1"
    assert "attempt" not in second
    assert "execution_id" not in third
    assert "execution_id" not in fourth


def test_context_can_not_break_what_every_record_has() -> None:
    stream = written()

    with log_context(name="forged", message="forged"):
        log.info("started")

    assert documents(stream)[0]["logger"] == "helperhub.tests"
    assert documents(stream)[0]["event"] == "started"


def test_context_of_one_thread_is_not_another_ones() -> None:
    stream = written()

    with log_context(execution_id="a@1"):
        thread = threading.Thread(target=log.info, args=("elsewhere",))
        thread.start()
        thread.join()

    assert "execution_id" not in documents(stream)[0]


def test_context_follows_into_the_event_loop_of_async_actors() -> None:
    stream = written()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def work() -> None:
        log.info("in_the_loop")

    with log_context(execution_id="a@1"):
        asyncio.run_coroutine_threadsafe(work(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()

    assert documents(stream)[0]["execution_id"] == "a@1"


def test_failed_attempt_is_not_told_again_by_dramatiq_and_payloads_are_not_told_at_all() -> None:
    broker = StubBroker()
    stream = written(level="debug")

    @dramatiq.actor(broker=broker, max_retries=0)
    def try_it(payload: str) -> None:
        log.info("about_to_fail")
        fail(payload)

    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=1)
    worker.start()
    try_it.send("s3cret")
    broker.join(try_it.queue_name, fail_fast=False)
    worker.join()
    worker.stop()

    events = [document["event"] for document in documents(stream)]
    assert "about_to_fail" in events
    assert not any("Failed to process message" in event for event in events)
    assert "s3cret" not in stream.getvalue().replace("Retries exceeded", "")


def test_dramatiq_still_tells_what_must_be_known() -> None:
    stream = written()

    logging.getLogger("dramatiq.worker.ConsumerThread(default)").info("chatter")
    logging.getLogger("dramatiq.worker.ConsumerThread(default)").critical("Consumer encountered an unexpected error.")

    assert [document["event"] for document in documents(stream)] == ["Consumer encountered an unexpected error."]


@pytest.mark.parametrize("layout", ["text", "json"])
def test_secrets_are_in_no_record(layout: LogFormat) -> None:
    stream = written(layout=layout)
    try:
        fail_with("abc1")
    except ValueError:
        log.exception("failed at password=abc2", extra={"secret": "abc3", "headers": {"Cookie": "abc4"}})

    text = stream.getvalue()
    assert "failed at password=[redacted]" in text
    assert "token=[redacted]" in text
    assert not any(secret in text for secret in ("token=abc1", "abc2", "abc3", "abc4"))


def fail_with(token: str) -> None:
    message = f"the token={token} was refused"
    raise ValueError(message)
