"""``/metrics``: the text that Prometheus reads, and the truth of its figures."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.api.conftest import SOON, Api, Serve, broken, build_http, echo, serving

from helperhub import Every, RetryPolicy, helper
from helperhub.model.access import Scope
from helperhub.services.helper_updates import HelperUpdate
from helperhub.store import keys as keys_module
from helperhub.store.times import STEPS_MS
from helperhub.telemetry.metrics import METRICS
from helperhub.testing.running import build_hub

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@helper(retry=RetryPolicy(max_attempts=2, min_backoff=timedelta(milliseconds=1), max_backoff=timedelta(milliseconds=1)))
def twice(ctx: Any) -> None:
    if ctx.attempt == 1:
        message = "not yet"
        raise RuntimeError(message)


@helper
def slow(ctx: Any) -> None:
    time.sleep(0.03)


def nothing(ctx: Any) -> None:
    pass


def scrape(client: httpx.Client) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def run(api: Api, *helpers: str) -> None:
    for execution_id in [api.hub.enqueue(name) for name in helpers]:
        assert api.hub.wait(execution_id, timeout=SOON).status.final


def test_metrics_count_what_was_enqueued_retried_and_finished(serve: Serve) -> None:
    api = serve((echo, broken, twice), worker=True)

    run(api, "echo", "echo", "broken", "twice")

    samples = scrape(api.client)
    assert value(samples, "helperhub_executions_enqueued_total", queue="default") == 4
    assert value(samples, "helperhub_executions_finished_total", queue="default", status="success") == 3
    assert value(samples, "helperhub_executions_finished_total", queue="default", status="error") == 1
    assert value(samples, "helperhub_attempts_retried_total", queue="default") == 1
    assert value(samples, "helperhub_attempts_started_total", queue="default") == 5
    assert value(samples, "helperhub_dead_letters") == 1
    assert value(samples, "helperhub_workers", status="idle") + value(samples, "helperhub_workers", status="busy") == 1
    assert value(samples, "helperhub_worker_threads") > 0
    assert value(samples, "helperhub_helpers_registered") == 3
    assert value(samples, "helperhub_helpers_scheduled") == 1


def test_histograms_have_every_attempt_in_the_step_of_its_time(serve: Serve) -> None:
    api = serve((slow, echo), worker=True)

    run(api, "slow", "slow", "slow")

    samples = scrape(api.client)
    name = "helperhub_attempt_run_seconds"
    assert value(samples, f"{name}_bucket", queue="default", le="0.025") == 0
    assert value(samples, f"{name}_bucket", queue="default", le="3600.0") == 3
    assert value(samples, f"{name}_bucket", queue="default", le="+Inf") == 3
    assert value(samples, f"{name}_count", queue="default") == 3
    assert 0.09 <= value(samples, f"{name}_sum", queue="default") < 5
    assert value(samples, "helperhub_attempt_wait_seconds_count", queue="default") == 3


def test_script_and_reader_have_the_same_steps() -> None:
    script = (Path(keys_module.__file__).parent / "lua" / "settle.lua").read_text()

    (written,) = re.findall(r"STEPS = \{(.*)\}", script)

    assert tuple(int(step) for step in written.split(",")) == STEPS_MS


def test_depths_pauses_and_lateness_are_gauges(api: Api) -> None:
    # What it declares is due once a day: at most hours that is beyond the look-ahead.
    api.hub.helpers.update("echo", HelperUpdate(schedules={"": Every(timedelta(minutes=30))}))
    for _ in range(3):
        api.hub.enqueue("echo")
    api.hub.enqueue("echo", delay=timedelta(hours=1))
    api.hub.queues.pause("default")

    samples = scrape(api.client)

    assert value(samples, "helperhub_queue_executions", queue="default", state="ready") == 3
    assert value(samples, "helperhub_queue_executions", queue="default", state="delayed") == 1
    assert value(samples, "helperhub_queue_executions", queue="default", state="running") == 0
    assert value(samples, "helperhub_queue_paused", queue="default") == 1
    assert value(samples, "helperhub_queue_oldest_ready_seconds", queue="default") > 0
    assert value(samples, "helperhub_workers", status="idle") == 0
    assert value(samples, "helperhub_helpers_planned") == 1
    assert value(samples, "helperhub_schedule_lag_seconds") == 0


def test_every_metric_is_typed_and_described_as_its_table_says(serve: Serve) -> None:
    api = serve(worker=True, scheduler=True)
    run(api, "echo")

    text = api.client.get("/metrics").text

    families = {family.name: family for family in text_string_to_metric_families(text)}
    for described in METRICS:
        family = families.pop(described.name.removesuffix("_total"))
        assert (family.type, family.documentation) == (described.kind, described.help)
        own = {"le"} if described.kind == "histogram" else set()
        assert {name for sample in family.samples for name in sample.labels} - own == set(described.labels)
    assert families == {}
    names = [described.name for described in METRICS]
    assert all(name.endswith("_total") == (one.kind == "counter") for name, one in zip(names, METRICS, strict=True))
    assert not [name for name in names if re.search(r"_(ms|milliseconds|mb|count|sum|bucket|min)$", name)]
    promtool = shutil.which("promtool")
    if promtool:
        subprocess.run([promtool, "check", "metrics"], input=text, text=True, check=True)


def test_two_processes_tell_the_same_and_a_restart_changes_nothing(serve: Serve, redis_url: str) -> None:
    api = serve(worker=True)
    run(api, "echo", "broken")
    other = build_hub((), url=redis_url, settings={"HELPERHUB_HUB": api.hub.settings.hub})
    key = api.key(Scope.READ)

    try:
        with serving(other) as url, build_http(url, key) as client:
            there, here = scrape(client), scrape(api.client)
    finally:
        other.close()

    counters = [key for key in here if key[0].endswith(("_total", "_bucket", "_count"))]
    assert {key: there[key] for key in counters} == {key: here[key] for key in counters}


def test_metrics_need_a_key_that_reads_the_whole_hub(serve: Serve) -> None:
    api = serve()

    answers = [
        client.get("/metrics").status_code
        for client in (
            api.showing(),
            api.asking(Scope.RUN),
            api.asking(Scope.READ, queues=["default"]),
            api.asking(Scope.READ),
        )
    ]

    assert answers == [401, 403, 403, 200]


def test_metrics_are_open_where_reads_are(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__OPEN_READS": "true"})

    assert api.showing().get("/metrics").status_code == 200


def test_redis_that_is_away_is_a_gauge_and_not_an_error() -> None:
    hub = build_hub((), url="unix:///nowhere.sock", settings={"HELPERHUB_WEB__OPEN_READS": "true"})

    with serving(hub) as url, build_http(url) as client:
        samples = scrape(client)

    assert value(samples, "helperhub_redis_up", shard="0") == 0
    assert {name for name, _ in samples} == {"helperhub_redis_up", "helperhub_build_info"}


def test_counters_of_a_hub_with_shards_are_summed(serve: Serve) -> None:
    settings = {"HELPERHUB_SHARDS": "2", "HELPERHUB_QUEUES__LOW__SHARD": "1"}
    low = helper(name="low_one", queue="low")(nothing)
    api = serve((echo, low), settings=settings, worker=True)

    run(api, "echo", "low_one")

    samples = scrape(api.client)
    assert value(samples, "helperhub_redis_up", shard="1") == 1
    for queue in ("default", "low"):
        assert value(samples, "helperhub_executions_finished_total", queue=queue, status="success") == 1
        assert value(samples, "helperhub_attempt_run_seconds_count", queue=queue) == 1


def test_queues_beyond_the_most_used_are_left_out(api: Api) -> None:
    client, keys = api.hub.scripts.client, api.hub.scripts.keys
    for number in range(104):
        client.sadd(keys.at("queues"), f"q{number:03}")
        client.hset(keys.at("count", f"q{number:03}"), mapping={"enqueued": 1000 - number, "ended": 1000 - number})

    samples = scrape(api.client)

    queues = {dict(labels)["queue"] for name, labels in samples if name == "helperhub_executions_enqueued_total"}
    assert len(queues) == 100
    assert {"q000", "q099"} <= queues
    assert value(samples, "helperhub_queues_left_out") == 4


def test_ten_thousand_helpers_cost_no_time(serve: Serve) -> None:
    api = serve(tuple(helper(name=f"one-{number}")(nothing) for number in range(10_000)))
    api.client.get("/metrics")

    begun = time.perf_counter()
    samples = scrape(api.client)
    took = time.perf_counter() - begun

    assert value(samples, "helperhub_helpers_registered") == 10_000
    assert took < 0.2
