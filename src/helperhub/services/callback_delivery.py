"""The helper that calls back: one signed POST an attempt, and what was answered as its result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from helperhub import __version__
from helperhub.errors import ConfigurationError, HelperHubError, UsageError
from helperhub.model.callback_url import parse_callback_url
from helperhub.model.helper import HelperSpec
from helperhub.model.retry import RetryPolicy
from helperhub.plugins.declaration import Declaration, Helper
from helperhub.services.outside import Answer, CallFailed, TargetRefused
from helperhub.services.traced_outside import Posts
from helperhub.trust.signing import Signatures
from helperhub.trust.standard_webhooks import sign
from helperhub.trust.webhook_secret import derive_secrets

#: The helper that calls back; it is an execution like any other, but nobody is called back for it.
CALLBACK_HELPER = "helperhub.callback"
_NOT_IN_HEADERS = re.compile(r"[^!-~]")


class CallbackUnwanted(HelperHubError):
    """The target says that it is gone for good (410): it isn't called again."""


@dataclass(frozen=True, slots=True)
class CallbackSecrets:
    """What callbacks of one hub are signed with.

    Args:
        signatures: Has the ring that they are derived from.
        hub: The hub's name.
    """

    signatures: Signatures
    hub: str

    def all(self) -> list[str]:
        """Return the secrets, the one in use first.

        Raises:
            ConfigurationError: There is no ring, and none of this helper's.
        """
        ring = self.signatures.keys.of(CALLBACK_HELPER)
        if ring is None:
            message = "Callbacks are signed with what is derived from the signing ring, and there is none here."
            raise ConfigurationError(message, hint="Set HELPERHUB_SIGNING__KEYS; 'helperhub trust new-key' prints one.")
        return derive_secrets(ring, self.hub)


def build_callback_helper(
    outside: Posts, secrets: Callable[[], list[str]], *, delays: Sequence[timedelta], queue: str
) -> Helper:
    """Return the helper that calls back.

    Args:
        outside: Posts.
        secrets: What it signs with.
        delays: How long it waits after each failed attempt; after the last it gives up.
        queue: Where its executions wait.
    """

    def call_back(ctx: Any) -> dict[str, Any]:
        return deliver(ctx.payload, outside, secrets(), now=datetime.now(UTC))

    spec = HelperSpec(
        name=CALLBACK_HELPER,
        queue=queue,
        retry=RetryPolicy(max_attempts=len(delays) + 1, delays=tuple(delays)),
        description="Tells a URL how an execution ended.",
    )
    lasting = (TargetRefused, CallbackUnwanted, UsageError, ConfigurationError)
    return Helper(call_back, Declaration(spec, throws=lasting))


def deliver(wanted: Mapping[str, Any], outside: Posts, secrets: list[str], *, now: datetime) -> dict[str, Any]:
    """Post ``wanted["event"]`` to ``wanted["url"]``; return what was answered.

    Raises:
        UsageError: The URL can't be one.
        TargetRefused: It leads inside.
        CallbackUnwanted: The target is gone for good.
        CallFailed: It wasn't taken; to be tried again.
    """
    url = parse_callback_url(wanted["url"])
    event = wanted["event"]
    body = orjson.dumps(event)
    # The same for each attempt and each replay, so that receivers can drop what they have had.
    message_id = _NOT_IN_HEADERS.sub("_", str(event["data"]["id"]))
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"HelperHub/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        # One for each secret: a receiver may still have the one before.
        "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in secrets),
    }
    answer = outside.post(url, body, headers)
    if not 200 <= answer.status < 300:
        raise _refusal(str(url), answer)
    return {"status": answer.status, "ms": answer.ms, "body": answer.body}


def _refusal(url: str, answer: Answer) -> HelperHubError:
    said = f"; it said: {answer.body}" if answer.body else ""
    message = f"{url} answered {answer.status} after {answer.ms} ms{_why(answer.status)}{said}"
    return CallbackUnwanted(message) if answer.status == 410 else CallFailed(message)


def _why(status: int) -> str:
    if 300 <= status < 400:
        return ", and redirects aren't followed"
    return ", so it isn't called again" if status == 410 else ""


__all__ = ["CALLBACK_HELPER", "CallbackSecrets", "CallbackUnwanted", "build_callback_helper", "deliver"]
