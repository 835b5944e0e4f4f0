"""What the archive takes: ``python -m bench.archive``; the table says beside each figure what it must reach.

``write``: executions whose rows, sums and place are written as the archiver does, in batches of 5,000.
``take``: the whole way, from Redis's history of finished executions into the database.
``beside``: workers drain with an archiver at work and without; and how far the archive is behind at half that rate.
"""

from __future__ import annotations

import argparse
import gc
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.servers.postgres import PostgresForTests

from bench import machine
from bench.experiments.flow import incr_cost_us, swing
from bench.sides import OURS, SIDES
from bench.web import fill, stand_ins
from bench.world import World
from helperhub import Hub
from helperhub.__main__ import OBJECTS_BEFORE_A_LOOK
from helperhub.archive.database import Database
from helperhub.archive.rows import Ended, execution_row
from helperhub.archive.tables import executions
from helperhub.archive.upgrade import upgrade
from helperhub.archive.writing import Writer
from helperhub.model.execution import AttemptError, Execution, Status
from helperhub.services.archiving import BATCH
from helperhub.settings import load_settings
from helperhub.testing import ServerForTests
from helperhub.testing.running import KNOWN_KEYS, build_hub

#: Of so many finished executions one failed, and one was given something to be found by.
FAILS, NAMED = 50, 10
HELPERS = 100
_TARGETS = {"sqlite": 50_000, "postgres": 30_000}
_LOOK_S = 0.25


def make(start: int, count: int) -> list[Ended]:
    """Return executions as a hub has them: 100 helpers, a payload, a result, one in fifty failed."""
    begin = datetime(2026, 11, 23, tzinfo=UTC)
    return [_make(number, begin + timedelta(milliseconds=number // 10)) for number in range(start, start + count)]


def _make(number: int, at: datetime) -> Ended:
    failed = number % FAILS == 0
    error = AttemptError("TimeoutError", f"no answer from host-{number % 977}", "in fetch, line 17\n" * 8, 3, at)
    execution = Execution(
        id=f"01m8gne6f3{number:012x}",
        helper=f"helper-{number % HELPERS}",
        queue="default",
        priority=3,
        status=Status.ERROR if failed else Status.SUCCESS,
        due_at=at - timedelta(milliseconds=100),
        enqueued_at=at - timedelta(milliseconds=100),
        started_at=at - timedelta(milliseconds=20 + number % 400),
        finished_at=at,
        attempt=3 if failed else 1,
        max_attempts=3,
        delivery=3 if failed else 1,
        payload={"city": f"city-{number % 5003}", "order": number},
        result=None if failed else {"temperature": 17.5, "wind": number % 40},
        errors=(error,) if failed else (),
        metadata={"app": f"app-{number % 7}"} if number % NAMED == 0 else {},
    )
    return Ended(int(at.timestamp() * 1000), execution)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Yield the URLs of an empty SQLite and PostgreSQL archive; PostgreSQL with its own defaults, fsync on."""
    settings = ("fsync=on", "full_page_writes=on")
    with (
        tempfile.TemporaryDirectory() as directory,
        PostgresForTests(settings=settings) as server,
        server.database() as url,
    ):
        yield {"sqlite": f"sqlite:///{Path(directory) / 'archive.db'}", "postgres": url}


def measure_write(count: int) -> Iterator[dict[str, Any]]:
    """Yield executions a second that are written."""
    with databases() as urls:
        for name, url in urls.items():
            database = Database(url)
            upgrade(database, hub="bench")
            writer, before, spent_s, cpu_s = Writer(database), None, 0.0, 0.0
            for start in range(0, count, BATCH):
                batch, after = make(start, BATCH), str(start + BATCH)
                began_s, began_cpu_s = time.monotonic(), time.process_time()
                writer.write(0, "ended", before, after, batch)
                spent_s += time.monotonic() - began_s
                cpu_s += time.process_time() - began_cpu_s
                before = after
            database.close()
            yield row(f"write, {name}", f">= {_TARGETS[name]}/s", per_s=count / spent_s, cpu_us=cpu_s / count * 1e6)
    yield row("SQLite by itself, to compare", "", per_s=measure_plain(count))


def measure_plain(count: int) -> float:
    """Return executions a second that the driver alone puts into the same table: made before, no sums, no attempts."""
    statement = f"INSERT INTO executions VALUES ({','.join('?' * len(executions.columns))})"  # noqa: S608 - constants
    spent_s = 0.0
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "archive.db"
        database = Database(f"sqlite:///{file}")
        upgrade(database, hub="bench")
        database.close()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            for start in range(0, count, BATCH):
                rows = list(map(execution_row, make(start, BATCH)))
                began_s = time.monotonic()
                connection.executemany(statement, rows)
                connection.commit()
                spent_s += time.monotonic() - began_s
    return count / spent_s


def measure_take(count: int) -> Iterator[dict[str, Any]]:
    """Yield executions a second that are taken over from Redis."""
    with databases() as urls, ServerForTests(aof=True) as server:
        settings = {"HELPERHUB_HUB": "bench"}
        hub = build_hub(stand_ins(HELPERS), url=server.url, settings=settings)
        hub.register()
        fill(hub, count, HELPERS)
        for name, url in urls.items():
            taking = build_hub((), url=server.url, settings={**settings, "HELPERHUB_DATABASE_URL": url})
            taking.upgrade_archive()
            archiver = taking.build_archiver()
            began_s, began_cpu_s = time.monotonic(), time.process_time()
            taken = archiver.advance()
            spent_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
            taking.close()
            yield row(f"take over from Redis, {name}", "", per_s=taken / spent_s, cpu_us=cpu_s / taken * 1e6)
        hub.close()


def measure_beside(rounds: int, jobs: int) -> Iterator[dict[str, Any]]:
    """Yield what an archiver costs the workers, and how far it is behind at half load."""
    incr_us = incr_cost_us(4000)
    with databases() as urls:
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in ("", *urls)}
        for _ in range(rounds):
            for name, figures in seen.items():
                figures.append(_drain(urls.get(name), jobs, incr_us))
        alone = _median(seen[""], "worker_cpu_us")
        for name in urls:
            cpu_us = _median(seen[name], "worker_cpu_us")
            yield row(f"worker CPU beside an archiver, {name}", "<= 1.03", ratio=cpu_us / alone, cpu_us=cpu_us)
        half = int(_median(seen[""], "drain_per_s") / 2)
    with databases() as urls:
        for name, url in urls.items():
            lags = _lags(url, half, seconds=20)
            yield row(f"lag at {half}/s, {name}", "< 10 s", median_s=statistics.median(lags), max_s=max(lags))


def _median(rows: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in rows)


def _drain(url: str | None, jobs: int, incr_us: float) -> dict[str, float]:
    with _world(url) as world:
        world.enqueue("batch", "incr", jobs)
        world.start_workers()
        return swing(*world.watch(jobs, limit_s=60), incr_us)


def _lags(url: str, per_s: int, *, seconds: int) -> list[float]:
    """Return how far the archive was behind, s, again and again while work came at a rate."""
    lags = []
    with _world(url) as world:
        variables = {"HELPERHUB_REDIS_URL": world.server.url, "HELPERHUB_DATABASE_URL": url}
        hub = Hub(load_settings([], {**variables, "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS}), world.server.url)
        world.start_workers()
        world.wait(hub.workers.all, "workers register")
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            next_s = time.monotonic() + _LOOK_S
            world.enqueue("batch", "incr", int(per_s * _LOOK_S))
            lag = hub.archive_status.lag()
            lags.append(lag.total_seconds() if lag else 0.0)
            time.sleep(max(0.0, next_s - time.monotonic()))
        hub.close()
    return lags


@contextmanager
def _world(url: str | None) -> Iterator[World]:
    """Yield a fresh server, and an archiver beside it if there is a database."""
    settings = {"HELPERHUB_DATABASE_URL": url} if url else {"HELPERHUB_ARCHIVE__ENABLED": "false"}
    with World(SIDES[OURS], settings) as world:
        if url:
            # The one before was of another Redis: its place would be ahead.
            _empty(url)
            world.start_beside([sys.executable, "-m", "helperhub", "archiver", "--upgrade"])
            world.wait(lambda: world.client.exists("{helperhub:main:0}:archived"), "the archiver works")
        yield world


def _empty(url: str) -> None:
    database = Database(url)
    upgrade(database, hub="main")
    with database.write() as connection:
        for table in ("executions", "attempts", "execution_metadata", "rollups", "places"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - constants
    database.close()


def row(name: str, target: str, **figures: float) -> dict[str, Any]:
    """Return one row of the results, and say it."""
    found = {"name": name, "target": target, **{key: round(value, 3) for key, value in figures.items()}}
    sys.stderr.write(f"{json.dumps(found)}\n")
    return found


def write_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows in markdown."""
    lines = ["| measure | must reach | figures |", "|---|---|---|"]
    for one in rows:
        figures = ", ".join(f"{key} {value:,}" for key, value in one.items() if key not in ("name", "target"))
        lines.append(f"| {one['name']} | {one['target']} | {figures} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and print a table."""
    gc.set_threshold(OBJECTS_BEFORE_A_LOOK)  # as the ``helperhub`` command does
    parser = argparse.ArgumentParser(prog="python -m bench.archive", description=__doc__)
    parser.add_argument("--executions", type=int, default=500_000)
    parser.add_argument("--jobs", type=int, default=40_000, help="drained in each round beside an archiver")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", default="write,take,beside")
    parser.add_argument("--out", type=Path, help="directory for results.json and table.md")
    asked = parser.parse_args()
    works: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "write": lambda: measure_write(asked.executions),
        "take": lambda: measure_take(asked.executions // 2),
        "beside": lambda: measure_beside(asked.rounds, asked.jobs),
    }
    about = {**machine.describe(), **machine.state(), "executions": asked.executions}
    rows = [one for name in asked.rows.split(",") for one in works[name]()]
    table = write_table(rows)
    print(table)
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "results.json").write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
        (asked.out / "table.md").write_text(table)


if __name__ == "__main__":
    main()
