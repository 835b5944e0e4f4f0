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

import dramatiq

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


def obey(ctx: Context[Any]) -> int:
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


work = helper(name="work", retry=QUICKLY, overlap="allow")(obey)
#: Of a later release than `work`.
fresh = helper(name="fresh", retry=QUICKLY, overlap="allow")(obey)
#: Each in a queue of its own, for several shards.
green, blue = (helper(name=name, queue=name, retry=QUICKLY, overlap="allow")(obey) for name in ("green", "blue"))


@helper(retry=QUICKLY, overlap="allow", concurrency=5, concurrency_key="of", concurrency_per_key=2)
def bounded(ctx: Context[Any]) -> None:
    """Take effect, and write down from when to when it ran."""
    note_effect(ctx)
    began = time.monotonic()
    note_span("begin", began, ctx)
    time.sleep(ctx.payload.get("ms", 0) / 1000)
    if ctx.attempt <= ctx.payload.get("fails", 0):
        note_span("end", began, ctx)
        message = f"attempt {ctx.attempt} fails as asked"
        raise RuntimeError(message)
    note_span("end", began, ctx)


def note_span(what: str, began: float, ctx: Context[Any]) -> None:
    """Append one line: begin or end, now, when it began, its process, its key."""
    line = f"{what} {time.monotonic()} {began} {os.getpid()} {ctx.payload['of']} {ctx.execution_id}\n"
    log = os.open(os.environ["CHAOS_EFFECTS"] + ".spans", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(log, line.encode())
    finally:
        os.close(log)


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


class Raising(dramatiq.Middleware):
    """Raises in every hook that Dramatiq has."""


def refuse(*args: object, **kwargs: object) -> None:
    message = "this hook always fails"
    raise RuntimeError(message)


for hook in vars(dramatiq.Middleware):
    if hook.startswith(("before_", "after_")):
        setattr(Raising, hook, refuse)


@hookimpl
def helperhub_register(hub: Any) -> None:
    """Register `work`, and what `CHAOS_HELPERS` names; "raising" is a middleware."""
    hub.add(work)
    named = os.environ.get("CHAOS_HELPERS", "").split()
    for found in (tick, minute, slow, fresh, green, blue, bounded):
        if found.name in named:
            hub.add(found)
    if "raising" in named:
        dramatiq.get_broker().add_middleware(Raising())
