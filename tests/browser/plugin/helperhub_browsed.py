"""The helpers of the browser suite's hub; put on PYTHONPATH together with an entry point."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from helperhub import Context, Daily, Every, RetryPolicy, helper, hookimpl

_AT_ONCE = RetryPolicy(max_attempts=3, delays=(timedelta(milliseconds=50),), jitter=0.0)
_ONCE = RetryPolicy(max_attempts=1)
LONG = "a-name-that-is-as-long-as-names-are-allowed-to-be-so-that-every-page-shows-what-it-does-with-it"[:63].rstrip(
    "-"
)


#: What would run in a page that took it for markup.
HOSTILE = "</title></script><script>hurt=1</script><img src=x onerror=\"hurt=1\"><svg onload='hurt=1'>{{7*7}}"


class Place(BaseModel):
    """Where somebody is."""

    city: str
    floor: int | None = None


class Greeting(BaseModel):
    """Whom to greet: a field of every kind that a form has."""

    name: str = Field("Ada", max_length=40, description="Who is greeted.")
    times: int = Field(1, ge=1, le=100)
    weight: float = 1.5
    language: Literal["English", "German"] = "English"
    loud: bool = False
    on: date | None = None
    at: datetime | None = None
    words: list[str] = []
    place: Place | None = None
    more: dict[str, Any] = {}
    password: SecretStr | None = None


@helper(schedule=Every(timedelta(minutes=10)), payload_model=Greeting, description="Greets somebody.")
def greet(ctx: Context[Any]) -> str:
    """Greet."""
    ctx.log.info("greeting %s", ctx.payload.name)
    return " ".join([f"hello {ctx.payload.name}"] * ctx.payload.times)


@helper(description="Returns what it is given.")
def echo(ctx: Context[Any]) -> Any:
    """Return the payload."""
    ctx.log.info("given: %s", str(ctx.payload)[:2000])
    return ctx.payload


@helper(schedule=Daily("07:30", tz="Europe/Berlin"), priority=2, queue="reports", description="The day's figures.")
def report(ctx: Context[Any]) -> None:
    """Do nothing."""


@helper(schedule=Every(timedelta(minutes=15)))
def tidy(ctx: Context[Any]) -> None:
    """Do nothing."""


@helper(retry=_AT_ONCE, description="Gets through at the second attempt.")
def flaky(ctx: Context[Any]) -> int:
    """Fail once."""
    if ctx.attempt == 1:
        message = "nobody answers yet"
        raise ConnectionError(message)
    return ctx.attempt


@helper(retry=_ONCE, description="Fails as it is told to.")
def refuse(ctx: Context[Any]) -> str:
    """Fail with the payload's ``why``, unless there is none."""
    return _refuse(ctx)


@helper(retry=_ONCE, description="Fails as it is told to; the suite clears its dead letters.")
def broken(ctx: Context[Any]) -> str:
    """Fail with the payload's ``why``, unless there is none."""
    return _refuse(ctx)


@helper(retry=_ONCE, description=f"Shows what it is given in every place there is. {HOSTILE}")
def hostile(ctx: Context[Any]) -> Any:
    """Log, report and return the payload, or fail with it."""
    text = ctx.payload["text"]
    ctx.log.warning("%s", text)
    ctx.progress(1, 2, text[:200])
    if ctx.payload["fails"]:
        raise ValueError(text)
    return {"result": text[:60_000]}


@helper(queue="batches", overlap="allow", description="Waits in a queue that the suite pauses and purges.")
def batch(ctx: Context[Any]) -> None:
    """Do nothing."""


@helper(schedule=Every(timedelta(minutes=20)), description="What its author declared, until the suite changes it.")
def tuned(ctx: Context[Any]) -> None:
    """Do nothing."""


def _refuse(ctx: Context[Any]) -> str:
    wanted = ctx.payload or {}
    ctx.log.warning("about to look at %s", list(wanted))
    if "why" in wanted:
        raise {"value": ValueError, "key": LookupError, "time": TimeoutError}[wanted.get("kind", "value")](
            wanted["why"]
        )
    return "mended"


@helper(retry=_ONCE, description="Works until it is stopped.")
def slow(ctx: Context[Any]) -> str:
    """Tell how far it is, for at most a minute; whoever cancels it interrupts it."""
    steps = int((ctx.payload or {}).get("steps", 600))
    for step in range(steps):
        ctx.progress(step, steps, f"step {step} of {steps}")
        time.sleep(0.1)
    return "done"


@helper(name=LONG, queue="a-queue-whose-name-is-longer-than-any-column-is-wide", description="long " * 60)
def named_long(ctx: Context[Any]) -> None:
    """Do nothing."""


@hookimpl
def helperhub_register(hub: Any) -> None:
    """Bring them in."""
    for one in (greet, echo, report, tidy, flaky, refuse, broken, hostile, batch, tuned, slow, named_long):
        hub.add(one)
