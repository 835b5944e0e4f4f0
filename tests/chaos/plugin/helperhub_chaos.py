"""The helpers of the chaos suite: each writes down its effect outside Redis, and some bring faults along.

Put on PYTHONPATH together with an entry point; `CHAOS_EFFECTS` names the effect log.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from datetime import timedelta
from typing import Any

from helperhub import Context, Every, RetryPolicy, helper, hookimpl

QUICKLY = RetryPolicy(max_attempts=5, delays=(timedelta(milliseconds=100),), jitter=0.0)


def note_effect(ctx: Context[Any]) -> None:
    """Append one line; a line this short is written whole or not at all (POSIX, O_APPEND)."""
    effect = {
        "id": ctx.execution_id,
        "helper": ctx.helper,
        "attempt": ctx.attempt,
        "delivery": ctx.delivery,
        "pid": os.getpid(),
        "mono": time.monotonic(),
        "wall": time.time(),
    }
    log = os.open(os.environ["CHAOS_EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(log, json.dumps(effect).encode() + b"\n")
    finally:
        os.close(log)


def die(how: str) -> None:
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(0)
    else:
        os.kill(os.getpid(), signal.SIGKILL)


@helper(retry=QUICKLY, overlap="allow")
def work(ctx: Context[Any]) -> int:
    """Take effect, then go on for a while; as asked fail at the first attempts, or end the process."""
    order = ctx.payload or {}
    note_effect(ctx)
    time.sleep(order.get("ms", 0) / 1000)
    if ctx.delivery <= order.get("dies", 0):
        die(order.get("how", "kill"))
    if ctx.attempt <= order.get("fails", 0):
        message = f"attempt {ctx.attempt} fails as asked"
        raise RuntimeError(message)
    return ctx.delivery


@helper(schedule=Every(timedelta(seconds=1)), overlap="allow", retry=QUICKLY)
def tick(ctx: Context[Any]) -> None:
    """Take effect once a second."""
    note_effect(ctx)


@helper(schedule=Every(timedelta(minutes=1)), overlap="allow", expires_after=timedelta(hours=6))
def minute(ctx: Context[Any]) -> None:
    """Take effect once a minute."""
    note_effect(ctx)


@helper(schedule=Every(timedelta(seconds=1)), overlap="skip")
def slow(ctx: Context[Any]) -> None:
    """Run longer than its interval."""
    note_effect(ctx)
    time.sleep(2.5)


@hookimpl
def helperhub_register(hub: Any) -> None:
    """Register `work`, and those with a schedule that `CHAOS_SCHEDULED` names."""
    hub.add(work)
    scheduled = os.environ.get("CHAOS_SCHEDULED", "").split()
    for found in (tick, minute, slow):
        if found.name in scheduled:
            hub.add(found)
