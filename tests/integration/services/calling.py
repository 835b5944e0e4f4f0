"""A hub that may call back to loopback, and soon again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from helperhub import Context, Hub, Overlap, RetryPolicy, helper
from helperhub.services.callbacks import CallbackFilter
from helperhub.testing.running import build_hub, scheduling, working


@helper(retry=RetryPolicy(max_attempts=1), overlap=Overlap.ALLOW)
def job(ctx: Context[Any]) -> Any:
    """Return the payload, or fail if that is what it says."""
    if ctx.payload == "fail":
        message = "as it was told"
        raise RuntimeError(message)
    return ctx.payload


@contextmanager
def calling(
    redis_url: str, hub_name: str, *helpers: Any, worker: bool = True, scheduler: bool = True, **settings: str
) -> Iterator[Hub]:
    given = {"HELPERHUB_HUB": hub_name, "HELPERHUB_CALLBACKS__ALLOW": "127.0.0.1"}
    given["HELPERHUB_CALLBACKS__DELAYS"] = "10ms,10ms"
    given |= {f"HELPERHUB_{name}": value for name, value in settings.items()}
    hub = build_hub(helpers or (job,), url=redis_url, settings=given)
    with ExitStack() as stack:
        stack.callback(hub.close)
        hub.register()
        if worker:
            stack.enter_context(working(hub))
        if scheduler:
            stack.enter_context(scheduling(hub))
        yield hub


def over(hub: Hub, *, execution: str | None = None) -> list[dict[str, Any]]:
    """Return the callbacks that are over."""
    return [one for one in hub.callbacks.find(CallbackFilter(execution), limit=100) if one["finished_at"]]
