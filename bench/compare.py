"""Compares HelperHub with Dramatiq's RedisBroker in one run on one server; see README.md.

Usage: python bench/compare.py [--jobs 20000] [--rounds 3] [--json out.json]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from helperhub.testing.server import ServerForTests

HERE = Path(__file__).parent
SIDES = ("side_dramatiq", "side_helperhub")
_BATCH = 500


def main() -> None:
    """Run every measure on both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    rounds: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for number in range(options.rounds):
        # Turn about, so that a machine that warms up or slows down favours neither.
        for side in SIDES if number % 2 == 0 else reversed(SIDES):
            rounds[side].append(_measure_in_process(side, options.jobs))
    table = {side: _median(found) for side, found in rounds.items()}
    report = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "jobs": options.jobs,
        "rounds": options.rounds,
        "results": table,
        "help_ratio": _help_ratio(),
    }
    print(_as_table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def _measure_in_process(side: str, count: int) -> dict[str, float]:
    # A process of its own for each side: Dramatiq's global broker can be set once.
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import compare; compare.measure({side!r}, {count})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(side: str, count: int) -> None:
    """Measure one side on a fresh server and print the figures as one JSON line."""
    with ServerForTests(aof=True) as server:
        os.environ["BENCH_URL"] = server.url
        client = redis.Redis.from_url(server.url)
        module: Any = importlib.import_module(side)
        broker = module.broker
        actor = broker.get_actor("bench_incr")
        found: dict[str, float] = {}

        actor.send()  # connects, loads scripts
        started = time.perf_counter()
        for _ in range(2000):
            actor.send()
        found["enqueue_one_per_s"] = 2000 / (time.perf_counter() - started)

        before = client.info("memory")["used_memory"]
        started = time.perf_counter()
        for start in range(0, count, _BATCH):
            _enqueue_batch(broker, [actor.message() for _ in range(min(_BATCH, count - start))])
        found["enqueue_batch_per_s"] = count / (time.perf_counter() - started)
        queued = client.info("memory")["used_memory"]
        found["bytes_queued"] = (queued - before) / count

        total = count + 2001
        client.set("bench:done", 0)
        calls = _calls(client)
        with worker(side):
            found["drain_per_s"] = _drain(client, total)
            time.sleep(0.5)
            found["redis_calls_per_job"] = (_calls(client) - calls) / total
            finished = client.info("memory")["used_memory"]
            found["bytes_finished"] = max(0.0, (finished - before) / total)
            for gap_ms in (20, 500):
                p50, p99 = _latency(client, broker, gap_s=gap_ms / 1000, count=200 if gap_ms == 20 else 12)
                found[f"latency_{gap_ms}ms_p50_ms"], found[f"latency_{gap_ms}ms_p99_ms"] = p50, p99
        print(json.dumps(found))


@contextmanager
def worker(side: str) -> Iterator[None]:
    """Run Dramatiq's command with 2 processes x 8 threads."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dramatiq", side, "-p", "2", "-t", "8", "--path", str(HERE), "--skip-logging"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _enqueue_batch(broker: Any, messages: list[Any]) -> None:
    if hasattr(broker, "enqueue_many"):
        broker.enqueue_many(messages)
    else:
        for message in messages:
            broker.enqueue(message)


def _drain(client: redis.Redis, total: int) -> float:
    """Return jobs a second from the first tenth to the last job, so that the worker's start doesn't count."""
    first = total // 10
    started, begun = 0.0, 0
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        done = int(client.get("bench:done") or 0)  # type: ignore[arg-type]
        if not started and done >= first:
            started, begun = time.perf_counter(), done
        if done >= total:
            return (total - begun) / (time.perf_counter() - started)
        time.sleep(0.005)
    message = f"only {client.get('bench:done')!r} of {total} jobs were done in 300 s"
    raise SystemExit(message)


def _latency(client: redis.Redis, broker: Any, *, gap_s: float, count: int) -> tuple[float, float]:
    actor = broker.get_actor("bench_latency")
    client.delete("bench:latency")
    for _ in range(count):
        actor.send(time.monotonic_ns())
        time.sleep(gap_s)
    deadline = time.monotonic() + 30
    while int(client.llen("bench:latency")) < count and time.monotonic() < deadline:  # type: ignore[arg-type]
        time.sleep(0.01)
    raw: Any = client.lrange("bench:latency", 0, -1)
    values = sorted(int(value) / 1e6 for value in raw)
    return statistics.median(values), values[min(len(values) - 1, int(len(values) * 0.99))]


def _calls(client: redis.Redis) -> int:
    """Return commands that clients sent; what scripts call inside isn't a round trip."""
    stats: Any = client.info("commandstats")
    sent = ("evalsha", "eval", "blpop")  # not the jobs' own INCRBY
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in sent)


def _help_ratio() -> float:
    def seconds(*argv: str) -> float:
        times = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    return seconds("-m", "helperhub", "--help") / seconds("-c", "import click")


def _median(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in found) for name in found[0]}


def _as_table(report: dict[str, Any]) -> str:
    rival, ours = (report["results"][side] for side in SIDES)
    machine = f"Python {report['python']}, {report['cores']} cores, load {report['load'][0]:.1f}"
    lines = [
        f"{machine}; {report['jobs']} jobs, medians of {report['rounds']} rounds",
        f"{'measure':24} {'Dramatiq':>12} {'HelperHub':>12} {'ratio':>7}",
    ]
    for name, theirs in rival.items():
        ratio = ours[name] / theirs if theirs else float("nan")
        lines.append(f"{name:24} {theirs:12.1f} {ours[name]:12.1f} {ratio:7.2f}")
    lines.append(f"--help against a bare 'import click': {report['help_ratio']:.2f} x")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
