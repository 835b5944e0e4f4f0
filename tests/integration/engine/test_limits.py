"""Limits as helpers feel them: real worker threads and processes, and the clock of the functions themselves."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine.conftest import Start

from helperhub import Context, Hub, helper
from helperhub.testing import find_strays, running_hub

PLUGIN = """
import os, time
from helperhub import helper, hookimpl

def note(what, ctx):
    line = f"{what} {time.monotonic()} {ctx.payload} {ctx.execution_id}\\n"
    log = os.open(os.environ["SPANS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(log, line.encode())
    os.close(log)

@helper(concurrency=3, concurrency_key="of", concurrency_per_key=1)
def bounded(ctx):
    note("begin", ctx)
    time.sleep(0.02)
    note("end", ctx)

@hookimpl
def helperhub_register(hub):
    hub.add(bounded)
"""


class Spans:
    """Notes who runs at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.starts: list[float] = []

    def run(self, names: Iterable[str], seconds: float) -> None:
        with self._lock:
            self.starts.append(time.monotonic())
            for name in names:
                self._now[name] += 1
                self.most[name] = max(self.most[name], self._now[name])
        time.sleep(seconds)
        with self._lock:
            self._now.subtract(names)


def ends(hub: Hub, ids: Sequence[str]) -> set[str]:
    return {hub.wait(id_).status.value for id_ in ids}


def narrowest(starts: Sequence[float], count: int) -> float:
    """Return the shortest span that holds ``count`` starts."""
    return min(later - earlier for earlier, later in zip(starts, starts[count - 1 :], strict=False))


def test_no_more_than_its_limit_runs_at_once_while_others_go_on(redis_url: str) -> None:
    spans = Spans()

    @helper(concurrency=2)
    def few(ctx: Context[Any]) -> None:
        spans.run(["few"], 0.02)

    @helper
    def many(ctx: Context[Any]) -> None:
        spans.run(["many"], 0.02)

    with running_hub([few, many], url=redis_url, threads=8) as hub:
        ids = hub.enqueue_many([(name, None) for name in ["few"] * 20 + ["many"] * 20])

        assert ends(hub, ids) == {"success"}
        hub.broker.join("default", timeout=10_000)
        assert find_strays(hub.scripts.client, hub.scripts.keys) == []

    assert spans.most["few"] == 2
    assert spans.most["many"] > 2


def test_each_key_runs_one_at_a_time_and_keys_side_by_side(redis_url: str) -> None:
    spans = Spans()

    @helper(concurrency_key="city", concurrency_per_key=1)
    def weather(ctx: Context[Any]) -> None:
        spans.run([ctx.payload["city"], "all"], 0.02)

    with running_hub([weather], url=redis_url, threads=8) as hub:
        ids = hub.enqueue_many([("weather", {"city": city}) for city in ["Berlin", "Rome", "Oslo"] * 8])

        assert ends(hub, ids) == {"success"}

    assert [spans.most[city] for city in ("Berlin", "Rome", "Oslo")] == [1, 1, 1]
    assert spans.most["all"] == 3


def in_one_of_three(keeps_rate: Callable[[], bool]) -> bool:
    """Return whether a rate was kept: a machine may keep a thread that was handed work from running for longer than
    the 20 ms that are allowed for, and then the next start seems too early. A rule that is wrong is so each time.
    """
    return any(keeps_rate() for _ in range(3))


def test_a_rate_is_kept_by_the_functions_own_clock_and_used_up(redis_url: str) -> None:
    spans = Spans()

    @helper(rate="5/500ms")
    def paced(ctx: Context[Any]) -> None:
        spans.run(["paced"], 0.0)

    def keeps_rate() -> bool:
        time.sleep(0.6)  # no window reaches back to the last round
        spans.starts.clear()
        began = time.monotonic()
        assert ends(hub, hub.enqueue_many([("paced", None)] * 20)) == {"success"}
        assert time.monotonic() - began < 4
        assert len(spans.starts) == 20
        # Six in a window would be one too many.
        return narrowest(sorted(spans.starts), 6) >= 0.5

    with running_hub([paced], url=redis_url, threads=8) as hub:
        assert in_one_of_three(keeps_rate)


def test_a_rate_per_key_spaces_the_starts_of_each_key(redis_url: str) -> None:
    spans: dict[str, Spans] = {"a": Spans(), "b": Spans()}

    @helper(concurrency_key="of", rate_per_key="1/200ms")
    def paced(ctx: Context[Any]) -> None:
        spans[ctx.payload["of"]].run(["paced"], 0.0)

    def keeps_rate() -> bool:
        time.sleep(0.3)
        for found in spans.values():
            found.starts.clear()
        began = time.monotonic()
        assert ends(hub, hub.enqueue_many([("paced", {"of": of}) for of in "ab" * 4])) == {"success"}
        assert time.monotonic() - began < 2
        return all(narrowest(sorted(found.starts), 2) >= 0.2 for found in spans.values())

    with running_hub([paced], url=redis_url, threads=4) as hub:
        assert in_one_of_three(keeps_rate)


def test_work_that_waits_for_a_rate_starts_when_it_may_and_not_when_somebody_looks(redis_url: str) -> None:
    spans = Spans()

    @helper(rate="1/300ms")
    def paced(ctx: Context[Any]) -> None:
        spans.run(["paced"], 0.0)

    with running_hub([paced], url=redis_url, threads=1) as hub:
        assert ends(hub, hub.enqueue_many([("paced", None)] * 3)) == {"success"}

    assert all(0.3 <= later - earlier < 0.6 for earlier, later in pairwise(spans.starts))


def test_a_paused_helper_starts_nothing_until_it_is_resumed(redis_url: str) -> None:
    @helper
    def tidy(ctx: Context[Any]) -> None: ...

    @helper
    def other(ctx: Context[Any]) -> None: ...

    with running_hub([tidy, other], url=redis_url) as hub:
        hub.helpers.pause("tidy", reason="painters")
        waiting, passing = hub.enqueue("tidy"), hub.enqueue("other")
        assert hub.wait(passing).status == "success"
        assert hub.executions.get(waiting).status == "queued"

        hub.helpers.resume("tidy")

        assert hub.wait(waiting).status == "success"


@pytest.mark.parametrize("setting", ["HELPERHUB_MAX_RUNNING", "HELPERHUB_QUEUES__DEFAULT__MAX_RUNNING"])
def test_no_more_of_a_queue_or_the_hub_runs_than_the_settings_say(redis_url: str, setting: str) -> None:
    spans = Spans()

    @helper
    def tidy(ctx: Context[Any]) -> None:
        spans.run(["tidy"], 0.02)

    with running_hub([tidy], url=redis_url, threads=8, settings={setting: "2"}) as hub:
        assert ends(hub, hub.enqueue_many([("tidy", None)] * 20)) == {"success"}

    assert spans.most["tidy"] == 2


def test_worker_processes_keep_a_limit_together(hub: Hub, start: Start, tmp_path: Path) -> None:
    spans = tmp_path / "spans"
    for _ in range(2):
        start("helperhub", "worker", "--processes", "2", "--threads", "4", SPANS=str(spans))
    start("helperhub", "scheduler")
    deadline = time.monotonic() + 20
    while "bounded" not in hub.catalogue.read().rows or len(hub.workers.all()) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    ids = hub.enqueue_many([("bounded", {"of": number % 5}) for number in range(60)])

    assert ends(hub, ids) == {"success"}
    assert most_at_once(spans.read_text().splitlines()) == (3, 1)


def most_at_once(lines: Sequence[str]) -> tuple[int, int]:
    """Return how many ran at once, and how many of one key."""
    now: Counter[str] = Counter()
    most = most_of_key = 0
    for line in sorted(lines, key=lambda line: float(line.split()[1])):
        what, _, rest = line.split(" ", 2)
        key = rest.rpartition(" ")[0]
        now[key] += 1 if what == "begin" else -1
        most, most_of_key = max(most, sum(now.values())), max(most_of_key, *now.values())
    return most, most_of_key
