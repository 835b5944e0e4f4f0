"""Enqueue, then drain: rates, bytes, Redis calls and CPU time of one batch of jobs that each do one INCR."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import cache

import redis

from bench.sides import Side
from bench.sizes import Sizes
from bench.world import ROOT, Moment, World
from helperhub.testing import ServerForTests

#: Batches of work are compared with the jobs' own INCRs, sent by as many connections.
_INCR = """
import sys, threading, redis
client = redis.Redis.from_url(sys.argv[1])
def send():
    for _ in range(int(sys.argv[2])):
        client.incr("bench:done")
threads = [threading.Thread(target=send) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
_SETTLED_S = 1.2
_FINISH_S = 15.0


def run_flow(side: Side, sizes: Sizes, settings: dict[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures of one round, and the versions that were measured."""
    incr_us = incr_cost_us(sizes.singles)  # before anything else runs
    count = max(100, int(side.jobs * sizes.share))
    with World(side, settings) as world:
        world.enqueue("each", "incr", 10)
        empty = world.used_memory()
        figures = {"enqueue_one_per_s": world.enqueue("each", "incr", sizes.singles)}
        before = world.used_memory()
        figures["enqueue_batch_per_s"] = world.enqueue("batch", "incr", count)
        figures["bytes_queued"] = (world.used_memory() - before) / count
        total = 10 + sizes.singles + count
        world.start_workers()
        begin, end = world.watch(total, limit_s=sizes.watch_s)
        figures |= swing(begin, end, incr_us)
        left_s = (total - end.done) / figures["drain_per_s"]
        if 0 < left_s < _FINISH_S:
            world.wait(lambda: world.done() >= total, "the rest is done", seconds=3 * _FINISH_S)
        time.sleep(_SETTLED_S)  # for the last outcomes, which nobody outside can wait for, and the append-only file
        done = world.done()
        world.stop_workers()
        if done == total:
            figures["bytes_finished"] = max(0.0, (world.used_memory() - empty) / total)
        return figures, world.versions


def swing(begin: Moment, end: Moment, incr_us: float) -> dict[str, float]:
    """Return what one execution took between two moments, where its INCR alone costs the server ``incr_us``."""
    done, seconds = end.done - begin.done, end.at_s - begin.at_s
    own_calls = done + end.looks - begin.looks  # the jobs' INCRs, and this process's questions
    server_us = (end.server_cpu_s - begin.server_cpu_s) / done * 1e6
    broker_us = max(0.1, server_us - incr_us)
    return {
        "drain_per_s": done / seconds,
        "calls_per_execution": (end.reads - begin.reads - own_calls) / done,
        "worker_cpu_us": (end.worker_cpu_s - begin.worker_cpu_s) / done * 1e6,
        "server_cpu_us": server_us,
        "incr_cpu_us": incr_us,
        "ceiling_per_s": 1e6 / broker_us,
    }


@cache
def incr_cost_us(count: int) -> float:
    """Return the server's CPU time for one INCR of a job, us; 2 processes of 8 threads send ``count`` each."""
    with ServerForTests(aof=True) as server:
        client = redis.Redis.from_url(server.url)
        before = client.info("cpu")
        command = [sys.executable, "-c", _INCR, server.url, str(count)]
        for process in [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]:
            process.wait()
        after = client.info("cpu")
        client.close()
    used = sum(float(after[name]) - float(before[name]) for name in ("used_cpu_user", "used_cpu_sys"))
    return used / (2 * 8 * count) * 1e6
