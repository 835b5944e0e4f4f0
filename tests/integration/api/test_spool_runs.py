"""Redis is away or hangs: runs by every path, batches, and who asked for them."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.proxy import Proxy
from tests.integration.api.spooling import Served, served

from helperhub.services.audit import AuditFilter
from helperhub.testing import ServerForTests

WaitUntil = Callable[..., None]


@pytest.fixture
def server() -> Iterator[ServerForTests]:
    with ServerForTests(aof=True) as server:
        yield server


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_older_paths_are_spooled_as_ours_is(
    prefix: str, server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    path, head = f"{prefix}/helpers/echo/run", {"Idempotency-Key": "order-17"}
    with served(server, tmp_path) as found:
        server.stop()
        runs = [found.client.post(path, json={"payload": 1}, headers=head) for _ in range(2)]
        server.start()

        assert [answer.status_code for answer in runs] == [202, 202]
        assert {answer.json()["spooled"] for answer in runs} == {True}
        wait_until(lambda: found.ids() == [runs[0].json()["task_id"]])


def test_batch_is_spooled_as_a_whole(server: ServerForTests, tmp_path: Path, wait_until: WaitUntil) -> None:
    rows: list[dict[str, Any]] = [{"helper": "echo", "payload": n, "priority": 1 + n % 2} for n in range(40)]
    with served(server, tmp_path) as found:
        server.stop()
        answer = found.client.post("/api/v1/executions", json={"executions": rows, "metadata": {"app": "shop"}})
        refused = found.client.post("/api/v1/executions", json={"executions": [*rows, {"helper": "nobody"}]})
        lines = found.lines()
        server.start()

        document = answer.json()
        assert (answer.status_code, document["spooled"], document["count"]) == (202, True, 40)
        assert refused.status_code == 503
        assert len(lines) == 1
        ids = [row["id"] for row in document["executions"]]
        wait_until(lambda: sorted(found.ids()) == sorted(ids))
        shown = [found.hub.executions.get(id_) for id_ in ids]
        assert [(one.payload, one.priority) for one in shown] == [(n, 1 + n % 2) for n in range(40)]
        assert {one.metadata["app"] for one in shown} == {"shop"}


def test_full_disk_takes_nothing_of_a_batch(server: ServerForTests, tmp_path: Path, wait_until: WaitUntil) -> None:
    rows = [{"helper": "echo", "payload": n} for n in range(20)]
    with served(server, tmp_path) as found:
        server.stop()
        kept = found.client.post(found.path).json()["job_id"]
        (file,) = found.directory.glob("*.jsonl")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 1000, hard))
        try:
            refused = found.client.post("/api/v1/executions", json={"executions": rows})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        server.start()

        assert refused.status_code == 503
        wait_until(lambda: not found.hub.accepting.is_away)
        assert found.ids() == [kept]


def test_batch_of_which_redis_took_a_part_is_spooled_and_each_is_one(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    rows = [{"helper": "echo", "payload": n} for n in range(3)]
    head = {"Idempotency-Key": "all-three"}
    with served(server, tmp_path) as found:
        before = found.client.post("/api/v1/executions", json={"executions": rows}, headers=head).json()
        server.stop()
        during = found.client.post("/api/v1/executions", json={"executions": rows}, headers=head).json()
        server.start()

        assert during["executions"] == [{**row, "existed": False} for row in before["executions"]]
        wait_until(lambda: found.lines() == [] and not found.hub.accepting.is_away)
        assert sorted(found.ids()) == sorted(row["id"] for row in before["executions"])
        assert len(starts(found)) == 1


def starts(found: Served) -> list[tuple[str, str, str, Any]]:
    entries = found.hub.audit.find(AuditFilter(), limit=100)
    actions = ("helper.run", "execution.start")
    return [(one["who"], one["note"], one["target"], one["after"]) for one in entries if one["action"] in actions]


def test_who_asked_for_what_was_spooled_is_in_the_audit_once(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    with served(server, tmp_path) as found:
        (made,) = found.hub.api_keys.all()
        server.stop()
        found.client.post(found.path)
        run = found.client.post("/api/v1/helpers/echo/run").json()["id"]
        rows = [{"helper": "echo"}, {"helper": "echo"}]
        batch = found.client.post("/api/v1/executions", json={"executions": rows}).json()["executions"]
        (file,) = found.directory.glob("*.jsonl")
        # What a process leaves that died after it had enqueued and noted all of it.
        (found.directory / "spool-1-dead.jsonl").write_bytes(file.read_bytes())
        server.start()

        wait_until(lambda: found.lines() == [] and not found.hub.accepting.is_away)
        who = (f"key:{made['id']}", "test")
        assert starts(found) == [
            (*who, "2 executions", {"executions": [row["id"] for row in batch]}),
            (*who, "echo", {"execution": run}),
        ]


def test_run_that_was_enqueued_before_a_crash_but_not_noted_is_noted(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    with served(server, tmp_path) as found:
        server.stop()
        found.client.post("/api/v1/helpers/echo/run", json={"id": "mine"})
        (file,) = found.directory.glob("*.jsonl")
        left = file.read_bytes()
        server.start()
        wait_until(lambda: found.lines() == [] and not found.hub.accepting.is_away)
        found.hub.scripts.client.delete(found.hub.scripts.keys.at("audit"))
        (found.directory / "spool-1-dead.jsonl").write_bytes(left)
        found.hub.accepting._wake.set()

        wait_until(lambda: [after for *_, after in starts(found)] == [{"execution": "mine"}])


def test_redis_that_hangs_costs_nobody_a_timeout_once_it_is_known(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    head = {"Idempotency-Key": "order-17"}
    with Proxy(Path(server.url.removeprefix("unix://"))) as proxy, served(proxy, tmp_path) as found:
        proxy.mode = "drop"
        wait_until(lambda: found.hub.accepting.is_away, seconds=15)
        began = time.monotonic()
        hooks = [found.client.post(found.path, json={"n": n}) for n in range(3)]
        runs = [found.client.post("/api/v1/helpers/echo/run", json={"payload": 3}, headers=head) for _ in range(2)]
        batch = found.client.post("/api/v1/executions", json={"executions": [{"helper": "echo", "payload": 4}]})
        others = [found.client.get("/api/v1/helpers"), found.client.get("/readyz")]
        took_s = time.monotonic() - began
        still_away = found.hub.accepting.is_away
        proxy.heal()

        assert [answer.status_code for answer in (*hooks, *runs, batch)] == [202] * 6
        assert [answer.status_code for answer in others] == [503, 503]
        # One socket timeout is 5 s.
        assert took_s < 2.0
        assert still_away
        wait_until(lambda: found.lines() == [] and not found.hub.accepting.is_away, seconds=15)
        shown = [found.hub.executions.get(id_) for id_ in found.ids()]
        assert sorted(str(one.payload) for one in shown) == ["3", "4", *(str({"n": n}) for n in range(3))]


def test_requests_of_the_moment_in_which_redis_begins_to_hang_wait_for_it_once_together(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    """Each waited five times 5 s, and those of webhooks eight at a time."""
    with Proxy(Path(server.url.removeprefix("unix://"))) as proxy, served(proxy, tmp_path) as found:
        paths = [found.path, "/api/v1/helpers/echo/run"] * 60
        proxy.mode = "drop"
        began = time.monotonic()
        with ThreadPoolExecutor(len(paths)) as pool:
            answers = list(pool.map(lambda path: found.client.post(path, timeout=20).status_code, paths))
        took_s = time.monotonic() - began
        proxy.heal()

        assert answers == [202] * len(paths)
        assert took_s < 9
        wait_until(lambda: len(found.ids()) == len(paths), seconds=15)
