"""Traces: what was planned or asked for, its attempts and its callback are one trace at a collector."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.api.conftest import build_http, serving
from tests.integration.services.targets import target
from tests.integration.telemetry.collector import Collector, Span, collecting

from helperhub import Context, Every, Hub, RetryPolicy, helper
from helperhub.errors import ConfigurationError, UntrustedRecord
from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.services.api_keys import KeyWish
from helperhub.services.webhooks import WebhookWish
from helperhub.telemetry.told import CARRIED
from helperhub.testing.running import build_hub, running_hub

Wait = Callable[..., None]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@helper
def echo(ctx: Context[Any]) -> Any:
    return ctx.payload


@helper(retry=RetryPolicy(max_attempts=2, min_backoff=timedelta(milliseconds=1)))
def broken(ctx: Context[Any]) -> None:
    local_secret = "hunter2"  # noqa: F841 - it must not get into a trace
    message = "no, password=swordfish"
    raise RuntimeError(message)


@helper
def nested(ctx: Context[Any]) -> str:
    return str(inner.send().message_id)


@helper
def inner(ctx: Context[Any]) -> None: ...


@helper(schedule=Every(timedelta(seconds=1)))
def ticking(ctx: Context[Any]) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def flush(hub: Hub) -> bool:
    assert hub.traces is not None
    return hub.traces._provider.force_flush()


def settings(collector: Collector, **more: str) -> dict[str, str]:
    return {"HELPERHUB_OTEL_ENDPOINT": collector.url, "HELPERHUB_HUB": "traced", **more}


def client_of(hub: Hub, url: str) -> Any:
    return build_http(url, hub.api_keys.create(KeyWish("test", frozenset({Scope.ADMIN})))[0])


def test_request_run_and_callback_are_one_trace(redis_url: str, collector: Collector, wait_until: Wait) -> None:
    given = settings(
        collector, HELPERHUB_CALLBACKS__ALLOW="127.0.0.1", HELPERHUB_WORKER__QUEUES="default", HELPERHUB_HUB="traced-1"
    )
    with (
        target() as there,
        running_hub([echo], url=redis_url, settings=given) as hub,
        serving(hub) as url,
        client_of(hub, url) as client,
    ):
        head = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        body = {"payload": "hunter2", "callback": there.url}
        id_ = client.post("/api/v1/helpers/echo/run", json=body, headers=head).json()["id"]
        wait_until(lambda: there.requests)
        hub.wait(f"callback:{id_}")
        wait_until(lambda: flush(hub) and collector.of(f"callback:{id_}", "consumer"))

    (request,) = [span for span in collector.spans if span.kind == "server" and span.trace == TRACE]
    (created,) = collector.of(id_, "producer")
    (ran,) = collector.of(id_, "consumer")
    (called,) = collector.of(f"callback:{id_}", "consumer")
    (posted,) = [span for span in collector.spans if span.kind == "client"]
    assert {span.trace for span in (request, created, ran, called, posted)} == {TRACE}
    assert [request.parent, created.parent, ran.parent] == [PARENT, request.id, created.id]
    assert [called.parent, posted.parent] == [created.id, called.id]
    assert not any(span.failed for span in collector.spans)
    assert request.attributes["http.route"] == "/api/v1/helpers/{name:path}/run"
    assert request.attributes["http.response.status_code"] == 202
    assert posted.attributes["http.response.status_code"] == 204
    assert there.requests[0].headers["traceparent"] == f"00-{TRACE}-{posted.id}-01"
    assert (created.name, ran.name) == ("create default", "process default")
    assert ran.attributes == {
        "messaging.system": "helperhub",
        "messaging.destination.name": "default",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": id_,
        "helperhub.helper": "echo",
        "helperhub.execution_id": id_,
        "helperhub.attempt": 1,
        "helperhub.delivery": 1,
        "helperhub.outcome": "done",
    }
    assert (ran.resource["service.name"], ran.resource["service.namespace"]) == ("helperhub", "traced-1")
    assert collector.paths == {"/v1/traces"}
    assert not any(b"hunter2" in raw or b"token=secret" in raw for raw in collector.raw)


def test_attempts_are_siblings_and_failures_are_errors_without_locals(redis_url: str, collector: Collector) -> None:
    with running_hub([broken], url=redis_url, settings=settings(collector, HELPERHUB_HUB="traced-2")) as hub:
        id_ = hub.enqueue("broken")
        assert hub.wait(id_).status is Status.ERROR

    (created,) = collector.of(id_, "producer")
    first, second = collector.of(id_, "consumer")
    assert (first.parent, second.parent) == (created.id, created.id)
    assert [span.attributes["helperhub.attempt"] for span in (first, second)] == [1, 2]
    assert [span.attributes["helperhub.outcome"] for span in (first, second)] == ["retry", "dead"]
    for span in (first, second):
        assert span.failed
        (event,) = span.events
        assert (event["name"], event["exception.type"]) == ("exception", "RuntimeError")
        assert "raise RuntimeError(message)" in event["exception.stacktrace"]
    # Neither locals, nor what looks like a secret in the error's text.
    assert not any(b"hunter2" in raw or b"swordfish" in raw for raw in collector.raw)


def test_scheduled_execution_is_rooted_at_a_span_of_its_scheduler(
    redis_url: str, collector: Collector, wait_until: Wait
) -> None:
    with running_hub([ticking], url=redis_url, settings=settings(collector, HELPERHUB_HUB="traced-3")) as hub:
        wait_until(lambda: flush(hub) and collector.named("process"), seconds=10)

    ran = collector.named("process")[0]
    (created,) = collector.of(ran.attributes["messaging.message.id"], "producer")
    (root,) = [span for span in collector.named("schedule ticking") if span.trace == ran.trace]
    assert (root.parent, created.parent, ran.parent) == ("", root.id, created.id)
    assert root.kind == "internal"
    assert "@" in ran.attributes["messaging.message.id"]


def test_due_time_that_another_scheduler_enqueued_is_told_by_that_one_only(
    redis_url: str, collector: Collector, wait_until: Wait
) -> None:
    given = settings(collector, HELPERHUB_HUB="traced-4")
    with running_hub([ticking], url=redis_url, settings=given) as hub:
        other = build_hub([ticking], url=redis_url, settings=given)
        clock = other.build_clock()
        wait_until(
            lambda: clock._promoter.promote().now_ms and flush(hub) and len(collector.named("process")) > 2, seconds=15
        )
        other.close()

    roots: dict[str, list[Span]] = {}
    for span in collector.named("create"):
        roots.setdefault(span.attributes["messaging.message.id"], []).append(span)
    assert len(roots) > 2
    assert {len(spans) for spans in roots.values()} == {1}


def test_what_a_helper_enqueues_is_part_of_its_attempt(redis_url: str, collector: Collector) -> None:
    with running_hub([nested, inner], url=redis_url, settings=settings(collector, HELPERHUB_HUB="traced-5")) as hub:
        outer_id = hub.enqueue("nested")
        inner_id = hub.wait(outer_id).result
        assert hub.wait(inner_id).status is Status.SUCCESS

    (outer,) = collector.of(outer_id, "consumer")
    (created,) = collector.of(inner_id, "producer")
    (ran,) = collector.of(inner_id, "consumer")
    assert (created.parent, ran.parent) == (outer.id, created.id)


def test_webhooks_token_is_in_no_span(redis_url: str, collector: Collector) -> None:
    hub = build_hub([echo], url=redis_url, settings=settings(collector, HELPERHUB_HUB="traced-6"))
    hub.register()
    token, _, _ = hub.webhooks.create(WebhookWish("echo", "test"))
    with serving(hub) as url, build_http(url) as client:
        assert client.post(f"/webhook/{token}").status_code == 202
        assert client.get("/healthz").status_code == 200
    hub.close()

    (request,) = [span for span in collector.spans if span.kind == "server"]
    assert request.attributes["http.route"] == "/webhook/{token}"
    assert not any(token.encode() in raw for raw in collector.raw)


def test_collector_that_is_away_holds_up_nothing(redis_url: str) -> None:
    gone = {"HELPERHUB_OTEL_ENDPOINT": "http://127.0.0.1:1", "HELPERHUB_HUB": "traced-7"}
    with running_hub([echo], url=redis_url, settings=gone) as hub:
        assert hub.wait(hub.enqueue("echo", 1)).result == 1


def test_what_names_the_span_is_under_the_messages_signature(redis_url: str, collector: Collector) -> None:
    given = settings(collector, HELPERHUB_HUB="traced-8")
    with running_hub([echo], url=redis_url, settings=given, worker=False) as hub:
        id_ = hub.enqueue("echo")
        ((_, record),) = hub.records.records([id_])
        # `open` believes a body only as a whole.
        carried = hub.envelopes.open(id_, record).options[CARRIED]
        record.body = record.body.replace(b"00-", b"01-")
        with pytest.raises(UntrustedRecord):
            hub.envelopes.open(id_, record)

    assert carried.startswith("00-")


def test_without_the_setting_nothing_of_opentelemetry_is_loaded() -> None:
    code = (
        "import sys, helperhub.scheduler.clock, helperhub.cli.main\n"
        "from helperhub.testing.running import build_hub\n"
        "hub = build_hub([], url='redis://127.0.0.1:1', settings={})\n"
        "assert hub.traces is None and hub.broker\n"
        "from helperhub.api.app import build_app\n"
        "assert build_app(hub)\n"
        # FastAPI and redis-py load OpenTelemetry's interfaces themselves; what sends is loaded by nobody.
        "found = [name for name in sys.modules if name.startswith(('opentelemetry.exporter', 'opentelemetry.proto'))]\n"
        "assert not found and 'helperhub.telemetry.traces' not in sys.modules, found"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_setting_without_the_sdk_is_refused_with_what_to_install(
    redis_url: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "helperhub.telemetry.traces", None)

    with pytest.raises(ConfigurationError) as raised:
        build_hub([], url=redis_url, settings=settings(collector))

    assert "helperhub[otel]" in str(raised.value)
