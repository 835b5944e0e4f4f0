"""What the HTTP server takes: ``python -m bench.web``; the table "Numbers" of what it must reach.

``helperhub web`` runs in a process of its own, the load in another (`bench.load`), the server of the keys in a third.
The history is written by the real scripts. Rows as JSON and a table go to ``--out``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from helperhub import Hub, helper
from helperhub.model.access import Scope
from helperhub.model.schedule import Schedule
from helperhub.services.api_keys import KeyWish
from helperhub.services.webhooks import WebhookWish
from helperhub.store.calls import Settlement
from helperhub.testing import ServerForTests
from helperhub.testing.running import KNOWN_KEYS, build_hub

WORKER, LEASE_MS = "bench:1:once", 3_600_000
#: Of so many finished executions one failed.
FAILS = 50
LANES = 16
#: Requests a second.
WRITES, READS = 200, 100


@dataclass(frozen=True, slots=True)
class Web:
    """A served hub."""

    hub: Hub
    port: int
    key: str

    def load(self, kind: str, paths: Sequence[str], *, method: str = "GET", body: str = "", **more: Any) -> Any:
        """Start a load generator; `finish` returns what came of it."""
        wish = {
            "kind": kind,
            "host": "127.0.0.1",
            "port": self.port,
            "method": method,
            "paths": list(paths),
            "headers": [f"Authorization: Bearer {self.key}"],
            "body": body,
            "connections": LANES,
            **more,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        if process.stdin:
            process.stdin.write(json.dumps(wish).encode())
            process.stdin.close()
            process.stdin = None
        return process


def finish(process: Any) -> dict[str, Any]:
    """Return what a load generator saw."""
    out, err = process.communicate()
    if process.returncode:
        raise SystemExit(err.decode())
    found: dict[str, Any] = json.loads(out)
    return found


def nothing(ctx: Any) -> None:
    """Do nothing."""
    del ctx


@contextlib.contextmanager
def serving(
    url: str,
    helpers: int,
    *,
    schedule: Schedule | None = None,
    more: Mapping[str, str] | None = None,
    prepare: Callable[[Hub], None] | None = None,
) -> Iterator[Web]:
    """Serve a hub with so many helpers, and nobody who works.

    Args:
        url: Redis.
        helpers: How many `stand_ins`.
        schedule: Theirs.
        more: Variables of the hub.
        prepare: Is given the hub before it is served.
    """
    variables = {
        "HELPERHUB_HUB": f"bench-{helpers}",
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_WEB__RATE": "100000000",
        **(more or {}),
    }
    hub = build_hub(stand_ins(helpers, schedule), url=url, settings=variables)
    hub.register()
    if prepare is not None:
        prepare(hub)
    key, _ = hub.api_keys.create(KeyWish("bench", frozenset({Scope.ADMIN})))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], **variables, "HELPERHUB_REDIS_URL": url}
    environment |= {"HELPERHUB_WEB__MAX_CONNECTIONS": "3000", "HELPERHUB_LOG__LEVEL": "warning"}
    command = [sys.executable, "-m", "helperhub", "web", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/readyz")
            yield Web(hub, port, key)
        finally:
            process.terminate()
            process.wait(20)
            hub.close()


def _wait(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def stand_ins(count: int, schedule: Schedule | None = None) -> list[Any]:
    """Return so many helpers that do nothing, for `fill`."""
    return [helper(name=f"one-{n:05}", schedule=schedule)(nothing) for n in range(count)]


def fill(hub: Hub, count: int, helpers: int) -> str:
    """Bring so many executions to their end by the real scripts; return the id of one."""
    hub.scripts.join(WORKER, lease_ms=LEASE_MS, about={"host": "bench", "queues": "default"})
    id_ = ""
    for start in range(0, count, 500):
        ids = hub.enqueue_many(
            (f"one-{(start + n) % helpers:05}", {"number": n}) for n in range(min(500, count - start))
        )
        id_ = str(ids[0])
        end(hub, len(ids))
    return id_


def end(hub: Hub, count: int) -> None:
    """Claim and settle so many."""
    number = time.monotonic_ns() // 1000
    while count > 0:
        number += 1
        claimed = hub.scripts.claim(
            WORKER, ["default"], number=number, want=min(count, 500), will_wait=False, waited=False
        )
        ids = [id_ for id_, _ in claimed.records]
        outcomes = ["error" if n % FAILS == 0 and len(ids) > 1 else "done" for n in range(len(ids))]
        hub.scripts.settle(
            WORKER,
            [
                Settlement(id_, number, "done" if outcome == "done" else "dead", claimed.now_ms, told=True)
                for id_, outcome in zip(ids, outcomes, strict=True)
            ],
        )
        count -= len(ids)


def make_webhook(web: Web) -> str:
    """Return the path of a new webhook."""
    token, _, _ = web.hub.webhooks.create(WebhookWish("one-00000", "bench"))
    return f"/webhook/{token}"


def describe(seen: dict[str, Any]) -> dict[str, float]:
    """Return figures of latencies, ms."""
    ms = sorted(seen["ms"])
    if not ms:
        return {"requests": 0}
    return {
        "requests": len(ms),
        "p50_ms": round(ms[len(ms) // 2], 2),
        "p99_ms": round(ms[int(0.99 * len(ms))], 2),
        "max_ms": round(ms[-1], 2),
        "mean_ms": round(statistics.fmean(ms), 2),
    }


def row(name: str, target: str, seen: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return one row of the results, and say it."""
    found = {"name": name, "target": target, **describe(seen), "statuses": dict(seen["statuses"]), **more}
    sys.stderr.write(f"{json.dumps(found)}\n")
    return found


def enqueued(hub: Hub) -> int:
    """Return how many executions the hub has ever taken in."""
    return sum(stats.totals["enqueued"] for stats in hub.queues.all())


def measure_writes(web: Web, path: str, body: str, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield what starting executions takes."""
    for name, target, kind, count in (
        (f"start, {WRITES}/s", "p50 <= 5, p99 <= 25 ms", "rate", int(WRITES * seconds)),
        ("start, 100 at once", "mean <= 80 ms, none lost", "once", 100),
        ("start, 1,000 at once", "none lost", "once", 1000),
    ):
        before = enqueued(web.hub)
        seen = finish(web.load(kind, [path], method="POST", body=body, count=count, rate=WRITES))
        accepted = sum(n for status, n in seen["statuses"].items() if status.startswith("2"))
        yield row(name, target, seen, lost=count - (enqueued(web.hub) - before), refused=count - accepted)


def measure_reads(web: Web, paths: Sequence[str], seconds: float) -> Iterator[dict[str, Any]]:
    """Yield what each kind of reading takes, one after the other, then all taking turns."""
    there = []
    for path in paths:
        # The first requests of a process load what it keeps.
        finish(web.load("rate", [path], count=READS, rate=READS))
        seen = finish(web.load("rate", [path], count=int(READS * seconds), rate=READS))
        yield row(f"GET {path}, {READS}/s", "p99 <= 25 ms", seen)
        if set(seen["statuses"]) == {"200"}:
            there.append(path)
    seen = finish(web.load("rate", there, count=int(READS * seconds), rate=READS))
    yield row(f"all of these in turn, {READS}/s", "p99 <= 25 ms", seen)


def measure_metrics(web: Web) -> Iterator[dict[str, Any]]:
    """Yield what ``/metrics`` takes, one request after the other."""
    seen = finish(web.load("rate", ["/metrics"], count=40, rate=4, connections=1))
    yield row("GET /metrics, 10,000 helpers", "<= 200 ms", seen, bytes=len(seen["body"]))


def measure_events(web: Web, listeners: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield how long an outcome takes to those who listen, with five outcomes a second."""
    process = web.load("listen", ["/api/v1/events"], count=listeners, seconds=seconds + 5)
    process.stderr.readline()  # all are connected
    sent = int(5 * seconds)
    for _ in range(sent):
        web.hub.enqueue("one-00000")
        end(web.hub, 1)
        time.sleep(0.2)
    seen = finish(process)
    lost = sent * listeners - seen["statuses"].get("event", 0)
    yield row(f"outcome to {listeners} listeners", "<= 100 ms", seen, lost=lost)


def write_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows in markdown."""
    names = ("p50_ms", "p99_ms", "max_ms", "mean_ms", "lost")
    head = ["measure", "must reach", *(name.replace("_", ", ") for name in names), "answers"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for one in rows:
        answers = ", ".join(f"{status}: {count}" for status, count in one["statuses"].items())
        cells = [f"{one['name']}", one["target"], *(str(one.get(name, "")) for name in names), answers]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def read_arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.web", description=__doc__)
    parser.add_argument("--history", type=int, default=1_000_000, help="finished executions")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measure")
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--start", default="", help="path of the POST; empty makes a webhook")
    parser.add_argument("--body", default='{"city": "Berlin"}', help="what is posted")
    parser.add_argument("--rows", default="writes,reads,metrics,events")
    parser.add_argument("--out", type=Path, help="directory for results.json and table.md")
    return parser.parse_args()


def main() -> None:
    """Measure, and print a table."""
    asked = read_arguments()
    wanted = asked.rows.split(",")
    rows: list[dict[str, Any]] = []
    about = {**machine.describe(), **machine.state(), "history": asked.history, "seconds": asked.seconds}
    with ServerForTests(aof=True) as server:
        with serving(server.url, 1000) as web:
            one = fill(web.hub, asked.history if "reads" in wanted else 1000, 1000)
            reads = (
                "/api/v1/helpers?limit=50",
                f"/api/v1/executions/{one}",
                "/api/v1/queues",
                "/api/v1/executions?helper=one-00007&limit=50",
                "/api/v1/executions?status=error&limit=50",
                "/api/v1/executions?status=success&limit=50",
            )
            if "events" in wanted:
                rows += measure_events(web, asked.listeners, asked.seconds)
            if "reads" in wanted:
                rows += measure_reads(web, reads, asked.seconds)
            if "writes" in wanted:
                rows += measure_writes(web, asked.start or make_webhook(web), asked.body, asked.seconds)
        if "metrics" in wanted:
            with serving(server.url, 10_000) as web:
                rows += measure_metrics(web)
    table = write_table(rows)
    print(table)
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "results.json").write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
        (asked.out / "table.md").write_text(table)


if __name__ == "__main__":
    main()
