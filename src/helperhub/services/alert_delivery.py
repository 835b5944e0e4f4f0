"""The helper that tells people of alerts: one execution a target, tried again, visible, a dead letter in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from helperhub.errors import ConfigurationError, NotFound, UsageError
from helperhub.model.callback_url import parse_callback_url
from helperhub.model.helper import HelperSpec
from helperhub.model.notifier import Notifier
from helperhub.model.retry import RetryPolicy
from helperhub.plugins.declaration import Declaration, Helper
from helperhub.services.callback_delivery import CallbackUnwanted, deliver
from helperhub.services.outside import Outside, TargetRefused

#: The helper that tells; an execution like any other, but its own failure raises no alert.
ALERT_HELPER = "helperhub.alert"


def build_webhooks(
    urls: Iterable[str], outside: Outside, secrets: Callable[[], list[str]], *, second: bool
) -> list[Notifier]:
    """Return the targets that are URLs: signed POSTs to what stands outside, as callbacks are.

    Args:
        urls: Where to.
        outside: Posts.
        secrets: What is signed with.
        second: Whether they are told only of what nobody acknowledged.
    """

    def to(url: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        return lambda event: deliver({"url": url, "event": event}, outside, secrets(), now=datetime.now(UTC))

    return [Notifier(f"webhook:{_place_of(url)}", to(url), second) for url in urls]


def _place_of(url: str) -> str:
    """Return what a URL is called: its host, and a digest, for its path and query may be secret."""
    host = parse_callback_url(url).host.replace(":", "-")[:60].strip("-_.") or "host"
    return f"{host}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def build_alert_helper(targets: Callable[[], Sequence[Notifier]], *, queue: str = "high") -> Helper:
    """Return the helper that tells one of ``targets``."""

    def tell(ctx: Any) -> dict[str, Any]:
        return tell_target(targets(), str(ctx.payload["to"]), ctx.payload["event"])

    spec = HelperSpec(
        name=ALERT_HELPER,
        queue=queue,
        time_limit=timedelta(minutes=2),
        retry=RetryPolicy(max_attempts=8, min_backoff=timedelta(seconds=5), max_backoff=timedelta(minutes=10)),
        description="Tells people of alerts.",
    )
    lasting = (TargetRefused, CallbackUnwanted, UsageError, ConfigurationError)
    return Helper(tell, Declaration(spec, throws=lasting))


def tell_target(targets: Sequence[Notifier], name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Tell the target of that name; return what it says of it.

    Raises:
        NotFound: This process has no such target; another one may.
        HelperHubError: It wasn't taken.
    """
    found = next((target for target in targets if target.name == name), None)
    if found is None:
        message = f"This worker process has no target '{name}'."
        raise NotFound(message, hint="Worker processes need the targets' settings and plugins that schedulers have.")
    return dict(found.send(event))


__all__ = ["ALERT_HELPER", "build_alert_helper", "build_webhooks", "tell_target"]
