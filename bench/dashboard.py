"""What the dashboard takes on a large hub: ``python -m bench.dashboard``; the first page must take at most 300 ms.

A hub with 10,000 helpers that are planned, 1,000,000 executions of history, an archive (SQLite), and work that waits
and runs; ``helperhub web`` in a process of its own. Somebody signs in and opens each page over and over, with the
parts that htmx fetches as soon as it is there. Rows as JSON and a table go to ``--out``.
"""

from __future__ import annotations

import argparse
import gzip
import html
import http.client
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench import machine
from bench.archive import make
from bench.web import LEASE_MS, WORKER, Web, fill, finish, serving
from helperhub import Every, Hub
from helperhub.archive.rows import Ended
from helperhub.archive.writing import Writer
from helperhub.services.archiving import BATCH
from helperhub.services.helper_updates import HelperUpdate
from helperhub.testing import ServerForTests

MUST_MS = 300
#: Of the first page with all its assets, bytes as transferred.
MUST_BYTES = 300_000
HELPERS = 10_000
#: For so many hours the archive has sums of each helper.
HOURS = 24
#: What waits in the queue, and what a worker process has in hand.
WAITING, RUNNING = 2000, 8
_ASSET = re.compile(r'(?:src|href)="(/ui/static/[^"]+)"')
_PART = re.compile(r'hx-get="([^"]+)"[^>]*hx-trigger="load[^"]*"')
#: Asked so often before it counts: the first requests of a process load what it keeps.
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and how long it took, ms."""

    status: int
    body: bytes
    transferred: int
    ms: float


class Browser:
    """One person in front of the dashboard, over one kept-alive connection."""

    def __init__(self, port: int, key: str) -> None:
        """Sign in with a key."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.cookie = ""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/ui/sign-in", urlencode({"key": key}), headers)
        answer = self._connection.getresponse()
        answer.read()
        self.cookie = str(answer.getheader("Set-Cookie", "")).partition(";")[0]
        if answer.status != 303:
            message = f"sign-in: {answer.status}"
            raise SystemExit(message)

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a path, and read the whole answer."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"Cookie": self.cookie, "Accept-Encoding": "gzip", **headers})
        answer = self._connection.getresponse()
        body = answer.read()
        ms = (time.perf_counter() - began) * 1000
        transferred = len(body)
        if answer.getheader("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if answer.status >= 400:
            message = f"{path}: {answer.status}"
            raise SystemExit(message)
        return Answer(answer.status, body, transferred, ms)

    def open(self, path: str) -> tuple[float, float, int]:
        """Open a page; return ms till it is there, ms with its first parts, and bytes of both."""
        page = self.get(path)
        parts = [self.get(html.unescape(part), **{"HX-Request": "true"}) for part in _parts(page)]
        return page.ms, page.ms + sum(part.ms for part in parts), len(page.body) + sum(len(one.body) for one in parts)


def _parts(page: Answer) -> list[str]:
    return _PART.findall(page.body.decode())


def prepare(hub: Hub, history: int) -> str:
    """Give a hub its history, archive it, plan all helpers, leave some work; return the id of an execution."""
    one = fill(hub, history, HELPERS)
    hub.upgrade_archive()
    archiver = hub.build_archiver()
    archived = 0
    while count := archiver.advance():
        archived += count
        sys.stderr.write(f"archived {archived}\n")
    _add_day(hub)
    hub.enqueue_many((f"one-{n % HELPERS:05}", {"number": n}) for n in range(WAITING))
    number = time.monotonic_ns() // 1000
    hub.scripts.join(WORKER, lease_ms=LEASE_MS, about={"host": "bench", "queues": "default", "threads": str(RUNNING)})
    hub.scripts.claim(WORKER, ["default"], number=number, want=RUNNING, will_wait=False, waited=False)
    hub.helpers.planner.plan()
    hub.helpers.update("one-00007", HelperUpdate(priority=2))
    return one


def _add_day(hub: Hub) -> None:
    """Put an execution of each helper in each hour of the last day into the archive: sums as of a hub at work."""
    database = hub.database
    if database is None:
        message = "the hub has no archive"
        raise SystemExit(message)
    writer, before, hour = Writer(database), None, datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for at in (hour - timedelta(hours=back) for back in range(HOURS, 0, -1)):
        for start in range(0, HELPERS, BATCH):
            batch = [_at(one, at) for one in make(start, min(BATCH, HELPERS - start))]
            after = str(int(at.timestamp() * 1000) + start)
            # Beside the place of the archiver, which is of shard 0.
            writer.write(1, "ended", before, after, batch)
            before = after


def _at(ended: Ended, hour: datetime) -> Ended:
    """Return an execution of `bench.archive` as one of these helpers', in an hour."""
    one, number = ended.execution, int(ended.execution.id[-12:], 16)
    at = hour + timedelta(milliseconds=number * 300)
    moved = replace(
        one,
        id=f"{one.id}-{hour:%d%H}",
        helper=f"one-{number:05}",
        due_at=at,
        enqueued_at=at,
        started_at=at + timedelta(milliseconds=20 + number % 400),
        finished_at=at + timedelta(milliseconds=100 + number % 4000),
    )
    return Ended(int(at.timestamp() * 1000), moved)


def pages(one: str) -> dict[str, str]:
    """Return what is opened: name and path below ``/ui/``."""
    return {
        "Now": "",
        "Timeline": "timeline",
        "Helpers": "helpers",
        "Helpers, searched": "helpers?q=one-0012",
        "Helpers, last page": f"helpers?page={HELPERS // 50}",
        "one helper": "helpers/one-00007",
        "Executions": "executions",
        "Executions, failed": "executions?" + urlencode({"q": "status:error"}),
        "Executions of one helper": "executions?" + urlencode({"q": "helper:one-00007"}),
        "one execution": f"executions/{one}",
        "Dead letters": "dead",
        "Queues": "queues",
        "Workers": "workers",
        "Statistics": "statistics",
        "Statistics, 30 days": "statistics?span=30d",
        "Alerts": "alerts",
        "Webhooks": "webhooks",
        "Plugins": "plugins",
        "Keys": "keys",
        "Audit": "audit",
        "Settings": "settings",
    }


def measure_pages(web: Web, one: str, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield what opening each page takes."""
    browser = Browser(web.port, web.key)
    for name, path in pages(one).items():
        first_ms = browser.open(f"/ui/{path}")[1]
        for _ in range(_WARM_UP - 1):
            browser.open(f"/ui/{path}")
        seen = [browser.open(f"/ui/{path}") for _ in range(rounds)]
        yield _row(name, seen, first_ms)


def measure_beside(web: Web, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield what the first page takes while others have it open too, and ask for it once a second."""
    browser, others = Browser(web.port, web.key), 5
    load = web.load(
        "rate", ["/ui/"], count=others * rounds, rate=others, connections=others, headers=[f"Cookie: {browser.cookie}"]
    )
    seen = []
    for _ in range(rounds):
        time.sleep(0.9)
        seen.append(browser.open("/ui/"))
    finish(load)
    yield _row(f"Now, while {others} others see it each second", seen, seen[0][1])


def _row(name: str, seen: Sequence[tuple[float, float, int]], first_ms: float) -> dict[str, Any]:
    def at(share: float, values: Sequence[float]) -> float:
        return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 1)

    page, whole = [one[0] for one in seen], [one[1] for one in seen]
    found = {
        "name": name,
        "first_ms": round(first_ms, 1),
        "page_p50_ms": at(0.5, page),
        "page_p95_ms": at(0.95, page),
        "whole_p50_ms": at(0.5, whole),
        "whole_p95_ms": at(0.95, whole),
        "bytes": max(one[2] for one in seen),
    }
    sys.stderr.write(f"{json.dumps(found)}\n")
    return found


def measure_assets(web: Web) -> dict[str, Any]:
    """Return what a first visit loads besides the pages themselves."""
    browser = Browser(web.port, web.key)
    page = browser.get("/ui/")
    assets = [browser.get(html.unescape(path)) for path in dict.fromkeys(_ASSET.findall(page.body.decode()))]
    return {
        "files": len(assets),
        "bytes": sum(len(one.body) for one in assets),
        "transferred": sum(one.transferred for one in assets),
        "first_visit_transferred": page.transferred + sum(one.transferred for one in assets),
        "must": MUST_BYTES,
    }


def write_table(rows: Sequence[dict[str, Any]], assets: dict[str, Any]) -> str:
    """Return the results in markdown."""
    names = ("page_p50_ms", "page_p95_ms", "whole_p50_ms", "whole_p95_ms", "first_ms", "bytes")
    head = ("page", "p50, ms", "p95, ms", "with parts p50, ms", "with parts p95, ms", "first time, ms", "bytes")
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * len(names)]
    lines += ["| " + " | ".join((one["name"], *(f"{one[name]:,}" for name in names))) + " |" for one in rows]
    lines += [
        "",
        f"Must reach: Now with its parts, p95 <= {MUST_MS} ms; the first visit <= {MUST_BYTES:,} bytes.",
    ]
    transferred = f"{assets['transferred']:,} as transferred; with the first page {assets['first_visit_transferred']:,}"
    lines.append(f"Assets: {assets['files']} files, {assets['bytes']:,} bytes, {transferred}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("--history", type=int, default=1_000_000, help="finished executions")
    parser.add_argument("--rounds", type=int, default=40, help="how often each page is opened, at least 20")
    parser.add_argument("--hold", action="store_true", help="then serve the hub till Ctrl+C, to look at")
    parser.add_argument("--out", type=Path, help="directory for results.json and table.md")
    asked = parser.parse_args()
    about = {**machine.describe(), **machine.state(), "history": asked.history, "helpers": HELPERS}
    ids: list[str] = []
    with tempfile.TemporaryDirectory() as directory, ServerForTests(aof=True) as server:
        more = {"HELPERHUB_DATABASE_URL": f"sqlite:///{Path(directory) / 'archive.db'}"}
        planned = lambda hub: ids.append(prepare(hub, asked.history))  # noqa: E731 - a call and its place
        with serving(server.url, HELPERS, schedule=Every(timedelta(minutes=10)), more=more, prepare=planned) as web:
            rows = [*measure_pages(web, ids[0], asked.rounds), *measure_beside(web, asked.rounds)]
            assets = measure_assets(web)
            table = write_table(rows, assets)
            print(table)
            if asked.hold:
                sys.stderr.write(f"http://127.0.0.1:{web.port}/ui/ {web.key} {server.url} {more} {ids[0]}\n")
                time.sleep(86_400)
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "results.json").write_text(json.dumps({**about, "rows": rows, "assets": assets}, indent=1) + "\n")
        (asked.out / "table.md").write_text(table)


if __name__ == "__main__":
    main()
