"""A message to a webhook, from its bytes to the execution that it asks for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from helperhub.errors import (
    InvalidPayload,
    NotFound,
    StoreUnavailable,
    TooLarge,
    UnsupportedMedia,
    UsageError,
)
from helperhub.model.execution import Trigger
from helperhub.model.instant import epoch_ms
from helperhub.services.accepting import Accepted, Accepting
from helperhub.services.enqueueing import EnqueueOptions
from helperhub.services.profiles import Profiles
from helperhub.services.strict_json import read_json
from helperhub.services.webhooks import Webhooks, holds, is_one_of
from helperhub.trust.standard_webhooks import verify

_TOKEN = re.compile(r"wh_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})")
_MOST_FIELDS = 1000
_MOST_KEY = 255


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was sent to a webhook.

    Args:
        headers: By lower-case name.
        body: As it came.
        source: The sender's address.
    """

    headers: Mapping[str, str]
    body: bytes
    source: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a message started: which helper, and the execution."""

    helper: str
    accepted: Accepted


@dataclass
class Deliveries:
    """Takes messages in; one message is one execution, however often it is sent.

    Args:
        webhooks: The webhooks.
        accepting: Takes executions in.
        profiles: What is known of helpers.
        now: Redis TIME.
    """

    webhooks: Webhooks
    accepting: Accepting
    profiles: Profiles
    now: Callable[[], datetime]
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, token: str, delivery: Delivery) -> Delivered:
        """Enqueue what a message asks for, or spool it.

        Raises:
            NotFound: That is no token, or not one any more.
            Unauthenticated: The webhook takes signed messages only, and this one isn't, or not rightly.
            UnsupportedMedia: The body is of a type that isn't taken.
            TooLarge: The body is larger than the webhook takes.
            InvalidPayload: The body can't be read, or doesn't fit the helper's model.
            UsageError: The webhook or its helper is disabled.
            StoreError: Redis can't take it.
        """
        webhook_id, content = self._find(token)
        if len(delivery.body) > content["max_body"]:
            message = f"The body has {len(delivery.body)} bytes, this webhook takes {content['max_body']}."
            raise TooLarge(message)
        # Before anything else is said of it: the token may be known to many, the secret is the sender's.
        key = self._key_of(webhook_id, content, delivery)
        self._check_enabled(content)
        payload = read_body(delivery.headers.get("content-type", ""), delivery.body)
        options = EnqueueOptions(
            id=None if key is None else _id_for(webhook_id, key),
            metadata={"webhook": webhook_id, "source": delivery.source},
            trigger=Trigger.WEBHOOK,
            wait=timedelta(0),
        )
        try:
            return Delivered(content["helper"], self.accepting.accept(content["helper"], payload, options))
        except NotFound:
            # Not chained, and in other words: its guess at a name is nothing for strangers.
            message = "The helper of this webhook isn't there any more."
            raise _disabled(message) from None

    def renew(self) -> None:
        """Remember all webhooks, for when Redis is away."""
        self._known = self.webhooks.store.all()

    def _find(self, token: str) -> tuple[str, dict[str, Any]]:
        parts = _TOKEN.fullmatch(token)
        content = self._read(parts[1]) if parts else None
        found = is_one_of(parts[2], content["tokens"]) if parts and content else None
        if parts is None or not content or found is None or not holds(found, self._now_ms(found)):
            message = "That is no webhook."
            raise NotFound(message, hint="Check the address; its token may have been rotated.")
        return parts[1], content

    def _read(self, webhook_id: str) -> dict[str, Any] | None:
        if not self.accepting.is_away:
            try:
                content = self.webhooks.store.read(webhook_id)
            except StoreUnavailable:
                if not self.accepting.spools:
                    raise
                self.accepting.note_away()
            else:
                return content
        if webhook_id not in self._known:
            message = "Redis is away, and this process doesn't know that webhook."
            raise StoreUnavailable(message, hint="Send it again later.")
        return self._known[webhook_id]

    def _now_ms(self, *ending: dict[str, Any]) -> int:
        """Return the time; Redis is asked only where something ends."""
        if any(one["until_ms"] for one in ending) and not self.accepting.is_away:
            return epoch_ms(self.now())
        return epoch_ms(datetime.now(UTC))

    def _key_of(self, webhook_id: str, content: dict[str, Any], delivery: Delivery) -> str | None:
        """Return what the message is known by when it comes again; None if its sender doesn't say.

        Of a signed one it is what the signature covers: whoever repeats it can't make it another one.
        """
        if content["secrets"]:
            known = self.webhooks.secrets_of(webhook_id, content, now_ms=self._now_ms(*content["secrets"]))
            now_s = datetime.now(UTC).timestamp()
            return "signed\0" + verify(known, delivery.headers, delivery.body, now_s=now_s)
        key = delivery.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= _MOST_KEY:
            message = f"An Idempotency-Key has 1 to {_MOST_KEY} characters."
            raise UsageError(message)
        return key

    def _check_enabled(self, content: dict[str, Any]) -> None:
        if not content["enabled"]:
            message = "This webhook is disabled."
            raise _disabled(message)
        known = self.profiles.known() if self.accepting.is_away else self.profiles.snapshot()
        row = known.rows.get(content["helper"])
        if row is not None and not row.spec.enabled:
            message = "The helper of this webhook is disabled."
            raise _disabled(message)


def read_body(content_type: str, body: bytes) -> Any:
    """Return a body as a payload; None for an empty one, which means the helper's own.

    Raises:
        UnsupportedMedia: It is of a type that isn't taken.
        InvalidPayload: It isn't what its type says.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if not body.strip():
        return None
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        try:
            return read_json(body)
        except json.JSONDecodeError as error:
            message = f"The body can't be taken as JSON: {error.msg}."
            raise InvalidPayload(message) from error
    if kind == "application/x-www-form-urlencoded":
        return _read_form(body)
    if kind == "text/plain":
        return {"text": _decode(body, parameters)}
    shown = f"'{kind[:80]}'" if kind else "A body without Content-Type"
    message = f"{shown} isn't taken."
    raise UnsupportedMedia(message, hint="Send application/json, application/x-www-form-urlencoded or text/plain.")


def _read_form(body: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        message = f"The body isn't a form of at most {_MOST_FIELDS} fields, encoded as UTF-8."
        raise InvalidPayload(message) from error
    fields: dict[str, Any] = {}
    for name, value in pairs:
        # A field that comes more than once is a list.
        before = fields.get(name)
        fields[name] = value if before is None else [*before, value] if isinstance(before, list) else [before, value]
    return fields


def _decode(body: bytes, parameters: str) -> str:
    found = re.search(r"charset=\"?([A-Za-z0-9._-]+)", parameters, re.IGNORECASE)
    charset = found[1] if found else "utf-8"
    if charset.lower() not in ("utf-8", "us-ascii", "iso-8859-1"):
        message = f"Text in '{charset[:40]}' isn't taken."
        raise UnsupportedMedia(message, hint="Send UTF-8.")
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        message = f"The body isn't {charset}: {error.reason} at byte {error.start}."
        raise InvalidPayload(message) from error


def _id_for(webhook_id: str, key: str) -> str:
    digest = hashlib.sha256("\0".join((webhook_id, key)).encode()).hexdigest()
    return f"hook-{digest[:40]}"


def _disabled(message: str) -> UsageError:
    return UsageError(message, hint="Ask whoever runs this hub.")


__all__ = ["Delivered", "Deliveries", "Delivery", "read_body"]
