"""Redis is away: webhooks and runs are taken in all the same, where the hub is set up so."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.api.conftest import build_http, echo
from tests.integration.api.spooling import served

from helperhub.model.access import Scope
from helperhub.model.execution import Trigger
from helperhub.services.api_keys import KeyWish
from helperhub.services.enqueueing import EnqueueOptions
from helperhub.services.webhooks import WebhookWish
from helperhub.testing import ServerForTests, find_strays
from helperhub.testing.node import free_port
from helperhub.testing.running import KNOWN_KEYS, build_hub

WaitUntil = Callable[..., None]


@pytest.fixture
def server() -> Iterator[ServerForTests]:
    with ServerForTests(aof=True) as server:
        yield server


def test_what_comes_while_redis_is_away_is_enqueued_in_order_once_it_is_back(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    with served(server, tmp_path) as found:
        server.stop()
        hooks = [found.client.post(found.path, json={"n": n}) for n in range(5)]
        run = found.client.post("/api/v1/helpers/echo/run", json={"payload": {"n": 5}, "priority": 3})
        ready, alive = found.client.get("/readyz"), found.client.get("/healthz")
        listed = found.client.get("/api/v1/helpers")
        files = list(found.directory.iterdir())
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (found.directory, *files)]
        server.start()

        assert [answer.status_code for answer in (*hooks, run)] == [202] * 6
        assert all(answer.json()["spooled"] is True for answer in (*hooks, run))
        assert (ready.status_code, alive.status_code) == (503, 200)
        assert "Redis can't be reached" in ready.json()["reason"]
        assert (listed.status_code, "retry-after" in listed.headers) == (503, True)
        assert modes == [0o700, 0o600]
        ids = [answer.json()["job_id"] for answer in hooks] + [run.json()["id"]]
        wait_until(lambda: len(found.ids()) == 6)
        shown = [found.hub.executions.get(id_) for id_ in ids]
        assert [execution.payload for execution in shown] == [{"n": n} for n in range(6)]
        assert [execution.trigger for execution in shown] == [Trigger.WEBHOOK] * 5 + [Trigger.MANUAL]
        enqueued = [execution.enqueued_at for execution in shown]
        assert enqueued == sorted(at for at in enqueued if at is not None)
        wait_until(lambda: found.lines() == [])
        wait_until(lambda: found.client.get("/readyz").status_code == 200)
        # The file is empty a moment before what comes in new goes to Redis again.
        wait_until(lambda: not found.hub.accepting.is_away)
        direct = found.client.post(found.path)
        assert "spooled" not in direct.json()
        assert find_strays(found.hub.scripts.client, found.hub.scripts.keys) == []


def test_without_the_setting_it_is_answered_503(server: ServerForTests, tmp_path: Path, wait_until: WaitUntil) -> None:
    with served(server, tmp_path, HELPERHUB_WEB__SPOOL="false") as found:
        server.stop()
        hook, run = found.client.post(found.path), found.client.post("/api/v1/helpers/echo/run")
        server.start()

        for answer in (hook, run):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
        assert not found.directory.exists()
        wait_until(lambda: found.client.post(found.path).status_code == 202)


def test_same_message_before_during_and_after_the_absence_is_one_execution(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    head = {"Idempotency-Key": "order-17"}
    with served(server, tmp_path) as found:
        before = found.client.post(found.path, headers=head)
        server.stop()
        during = [found.client.post(found.path, headers=head) for _ in range(2)]
        server.start()
        wait_until(lambda: found.client.get("/readyz").status_code == 200 and found.lines() == [])
        after = found.client.post(found.path, headers=head)

        assert {answer.json()["job_id"] for answer in (before, *during, after)} == {before.json()["job_id"]}
        assert found.ids() == [before.json()["job_id"]]


def test_key_that_nobody_here_has_checked_lately_is_not_believed(server: ServerForTests, tmp_path: Path) -> None:
    with served(server, tmp_path) as found:
        unseen = found.hub.api_keys.create(KeyWish("unseen", frozenset({Scope.RUN})))[0]
        server.stop()
        found.client.post(found.path)

        with build_http(found.url, unseen) as stranger:
            answer = stranger.post("/api/v1/helpers/echo/run")
        wrong = found.client.post("/webhook/wh_3f9aK2mPq8Zx_" + "a" * 43)
        token = found.path[:-1] + ("a" if found.path[-1] != "a" else "b")

        assert answer.status_code == 503
        assert wrong.status_code == 503
        assert found.client.post(token).status_code == 404
        server.start()


def test_what_redis_would_refuse_for_good_is_refused_at_once(server: ServerForTests, tmp_path: Path) -> None:
    with served(server, tmp_path, HELPERHUB_MAX_PAYLOAD="2048") as found:
        server.stop()
        found.client.post(found.path)

        large = found.client.post("/api/v1/helpers/echo/run", json={"payload": "x" * 3000})
        wrong_id = found.client.post("/api/v1/helpers/echo/run", json={"id": "with blank"})
        unknown = found.client.post("/api/v1/helpers/nobody/run")

        assert [answer.status_code for answer in (large, wrong_id, unknown)] == [413, 400, 503]
        assert len(found.lines()) == 1
        server.start()


def test_full_disk_is_answered_503_and_loses_nothing_that_was_answered_202(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    with served(server, tmp_path) as found:
        server.stop()
        accepted = [found.client.post(found.path, json={"n": 1}).json()["job_id"]]
        (file,) = found.directory.glob("*.jsonl")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        # As with a disk that is full: a part of the line is written, the rest isn't.
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 10, hard))
        try:
            refused = found.client.post(found.path, json={"n": 2})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        accepted.append(found.client.post(found.path, json={"n": 3}).json()["job_id"])
        server.start()

        assert refused.status_code == 503
        assert "spool can't be written" in refused.json()["detail"]
        wait_until(lambda: sorted(found.ids()) == sorted(accepted))
        assert [found.hub.executions.get(id_).payload for id_ in accepted] == [{"n": 1}, {"n": 3}]


def test_payload_on_disk_is_sealed_where_the_hub_encrypts(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    with served(server, tmp_path, HELPERHUB_ENCRYPTION__KEYS=KNOWN_KEYS) as found:
        server.stop()
        job_id = found.client.post(found.path, json={"note": "for your eyes only"}).json()["job_id"]
        (file,) = found.directory.glob("*.jsonl")
        written = file.read_text()
        server.start()

        assert "your eyes" not in written
        assert job_id not in written
        wait_until(lambda: found.ids() == [job_id])
        assert found.hub.executions.get(job_id).payload == {"note": "for your eyes only"}


def test_lines_that_were_enqueued_before_a_crash_are_not_enqueued_again(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    with served(server, tmp_path) as found:
        server.stop()
        ids = [found.client.post(found.path, json={"n": n}).json()["job_id"] for n in range(3)]
        (file,) = found.directory.glob("*.jsonl")
        left = found.directory / "spool-1-dead.jsonl"
        # What a process leaves that died after it had enqueued all, and one that died in the middle of a line.
        left.write_bytes(file.read_bytes() + b'{"helper": "ec')
        server.start()

        wait_until(lambda: found.lines() == [] and not left.exists())
        assert sorted(found.ids()) == sorted(ids)


def test_line_that_cant_be_enqueued_is_set_aside_and_the_others_go_on(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    with served(server, tmp_path) as found:
        server.stop()
        job_id = found.client.post(found.path).json()["job_id"]
        (file,) = found.directory.glob("*.jsonl")
        gone = file.read_bytes().replace(b'"echo"', b'"gone"').replace(job_id.encode(), b"other")
        (found.directory / "spool-1-dead.jsonl").write_bytes(gone + b"damaged\n")
        server.start()

        refused = found.directory / "refused"
        wait_until(lambda: refused.exists() and refused.read_bytes() == gone + b"damaged\n")
        wait_until(lambda: found.ids() == [job_id])
        assert stat.S_IMODE(refused.stat().st_mode) == 0o600


def serve_in_a_process(server: ServerForTests, directory: Path, port: int) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELPERHUB_", "REDIS_"))}
    environ = {
        **kept,
        "HELPERHUB_REDIS_URL": server.url,
        "HELPERHUB_HUB": "spool",
        "HELPERHUB_DATA_DIR": str(directory),
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_WEB__SPOOL": "true",
        "HELPERHUB_WEB__PORT": str(port),
    }
    return subprocess.Popen([sys.executable, "-m", "helperhub", "web"], env=environ, stderr=subprocess.DEVNULL)


def answers(url: str, path: str, **more: Any) -> httpx.Response | None:
    try:
        return httpx.post(url + path, timeout=20, trust_env=False, **more)
    except httpx.TransportError:
        return None


def test_web_process_that_is_killed_loses_nothing_that_it_answered(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    hub = build_hub([echo], url=server.url, settings={"HELPERHUB_HUB": "spool"})
    hub.register()
    token, _, _ = hub.webhooks.create(WebhookWish("echo", "test"))
    port = free_port()
    url, path = f"http://127.0.0.1:{port}", f"/webhook/{token}"
    first = serve_in_a_process(server, tmp_path, port)
    try:
        wait_until(lambda: (found := answers(url, path)) is not None and found.status_code == 202, seconds=20)
        # The webhooks are remembered by the first turn of the spool's thread, which began before it answered.
        server.stop()
        taken = [answers(url, path, json={"n": n}) for n in range(3)]
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    server.start()
    second = serve_in_a_process(server, tmp_path, port)
    try:
        ids = {answer.json()["job_id"] for answer in taken if answer is not None and answer.status_code == 202}
        wait_until(lambda: ids <= {execution.id for execution in hub.records.waiting(["default"])}, seconds=20)
        wait_until(lambda: not list((tmp_path / "spool").glob("*.jsonl")))
    finally:
        second.terminate()
        second.wait()
        hub.close()

    assert len(ids) == 3


def test_sender_who_repeats_what_a_killed_server_left_unanswered_starts_each_once(
    server: ServerForTests, tmp_path: Path, wait_until: WaitUntil
) -> None:
    hub = build_hub([echo], url=server.url, settings={"HELPERHUB_HUB": "spool"})
    hub.register()
    token, _, _ = hub.webhooks.create(WebhookWish("echo", "test"))
    port = free_port()
    url, path = f"http://127.0.0.1:{port}", f"/webhook/{token}"
    answered: dict[str, str] = {}

    def send(key: str) -> None:
        answer = answers(url, path, headers={"Idempotency-Key": key})
        if answer is not None and answer.status_code == 202:
            answered[key] = answer.json()["job_id"]

    def send_all() -> None:
        with ThreadPoolExecutor(10) as pool:
            for number in range(100):
                pool.submit(send, f"order-{number}")

    first = serve_in_a_process(server, tmp_path, port)
    try:
        wait_until(lambda: answers(url, "/nowhere") is not None, seconds=20)
        sending = threading.Thread(target=send_all)
        sending.start()
        wait_until(lambda: len(answered) >= 20)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    sending.join()
    before = dict(answered)
    second = serve_in_a_process(server, tmp_path, port)
    try:
        wait_until(lambda: answers(url, "/nowhere") is not None, seconds=20)
        send_all()
    finally:
        second.terminate()
        second.wait()
    executions = [execution.id for execution in hub.records.waiting(["default"])]
    hub.close()

    assert 20 <= len(before) < 100
    assert len(answered) == 100
    assert sorted(executions) == sorted(answered.values())
    assert before.items() <= answered.items()


def test_execution_that_reached_redis_before_its_answer_was_lost_is_one(server: ServerForTests, tmp_path: Path) -> None:
    with served(server, tmp_path) as found:
        accepting = found.hub.accepting
        options = EnqueueOptions(id="hook-x", trigger=Trigger.WEBHOOK)
        direct = accepting.accept("echo", {"n": 1}, options)

        accepting.note_away()
        again = accepting.accept("echo", {"n": 1}, options)
        deadline = time.monotonic() + 10
        while accepting.is_away and time.monotonic() < deadline:
            time.sleep(0.01)

        assert (direct.spooled, again.id) == (False, "hook-x")
        assert found.ids() == ["hook-x"]
