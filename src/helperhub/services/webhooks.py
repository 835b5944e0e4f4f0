"""Webhooks: what may start a helper from outside by a secret address. Made, listed, rotated, switched, deleted.

A token reads ``wh_<id>_<secret>``: the id finds the webhook in one read, the secret is 256 bits, and Redis holds a
SHA-256 of it only. The secret of signatures has to be read again to check them: it is sealed where the hub encrypts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from helperhub.errors import ConfigurationError, Conflict, NotFound, UsageError
from helperhub.model.duration import to_ms
from helperhub.model.instant import epoch_ms, from_ms, to_rfc3339
from helperhub.services.audit import Audit
from helperhub.store.webhooks import Webhooks as Store
from helperhub.store.webhooks import parse
from helperhub.trust.encryption import Cipher
from helperhub.trust.standard_webhooks import new_secret

#: How long a token or secret that was rotated goes on beside its successor.
DEFAULT_OVERLAP = timedelta(days=1)
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SEALED_FOR = b"webhook"
_TRIES = 10
_LEAST_BODY = 64


@dataclass(frozen=True, slots=True)
class WebhookWish:
    """What a new webhook is to be.

    Args:
        helper: ``helper[/instance]`` that it starts.
        name: A word for people, at most 80 characters.
        signed: Whether it takes signed messages only (Standard Webhooks).
        max_body: Largest body, bytes; None means the largest payload.
    """

    helper: str
    name: str
    signed: bool = False
    max_body: int | None = None


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Use cases around webhooks.

    Args:
        store: Where they are kept.
        audit: Where changes are noted.
        cipher: Seals the secrets of signatures.
        check_helper: Raises NotFound for a helper that there isn't.
        now: Redis TIME.
        max_payload: Largest payload, bytes.
    """

    store: Store
    audit: Audit
    cipher: Cipher
    check_helper: Callable[[str], object]
    now: Callable[[], datetime]
    max_payload: int

    def create(self, wish: WebhookWish) -> tuple[str, str | None, dict[str, Any]]:
        """Make a webhook; return its token and its secret, which nobody can see again, and its document.

        Raises:
            NotFound: No helper has that name.
            UsageError: A name or size can't be used.
        """
        self.check_helper(wish.helper)
        self._check(wish)
        now_ms = epoch_ms(self.now())
        while True:
            webhook_id = "".join(secrets.choice(LETTERS) for _ in range(12))
            token, digest = _new_token(webhook_id)
            secret = new_secret() if wish.signed else None
            content: dict[str, Any] = {
                "name": wish.name,
                "helper": wish.helper,
                "enabled": True,
                "created_ms": now_ms,
                "max_body": self.max_payload if wish.max_body is None else wish.max_body,
                "tokens": [{"digest": digest, "until_ms": 0}],
                "secrets": [self._seal(webhook_id, wish.helper, secret)] if secret else [],
            }
            if self.store.swap(webhook_id, b"", content):
                break
        document = to_document(webhook_id, content)
        self.audit.note("webhook.create", webhook_id, after=document)
        return token, secret, document

    def all(self) -> list[dict[str, Any]]:
        """Return every webhook as a document, never a token or secret."""
        return [to_document(id_, content) for id_, content in self.store.all().items()]

    def show(self, webhook_id: str) -> dict[str, Any]:
        """Return one as a document.

        Raises:
            NotFound: There is no such webhook.
        """
        content = self.store.read(webhook_id)
        if not content:
            raise unknown_webhook(webhook_id)
        return to_document(webhook_id, content)

    def switch(self, webhook_id: str, *, enabled: bool, reason: str = "") -> dict[str, Any]:
        """Let it take messages, or refuse them; return its document.

        Raises:
            NotFound: There is no such webhook.
        """
        content = self._change(webhook_id, lambda was: {**was, "enabled": enabled})
        action = "webhook.enable" if enabled else "webhook.disable"
        self.audit.note(action, webhook_id, after={"enabled": enabled}, reason=reason)
        return to_document(webhook_id, content)

    def rotate_token(self, webhook_id: str, *, overlap: timedelta = DEFAULT_OVERLAP) -> tuple[str, dict[str, Any]]:
        """Make a new token and return it with the webhook's document; the old one goes on for ``overlap``.

        Raises:
            NotFound: There is no such webhook.
        """
        token, digest = _new_token(webhook_id)
        content = self._rotate(webhook_id, "tokens", {"digest": digest, "until_ms": 0}, overlap)
        self.audit.note("webhook.rotate_token", webhook_id, after={"overlap_ms": to_ms(overlap)})
        return token, to_document(webhook_id, content)

    def rotate_secret(self, webhook_id: str, *, overlap: timedelta = DEFAULT_OVERLAP) -> tuple[str, dict[str, Any]]:
        """Make a new secret for signatures and return it with the webhook's document; see `rotate_token`.

        One that took unsigned messages takes signed ones only from now on.

        Raises:
            NotFound: There is no such webhook.
        """
        helper = self.show(webhook_id)["helper"]
        secret = new_secret()
        content = self._rotate(webhook_id, "secrets", self._seal(webhook_id, helper, secret), overlap)
        self.audit.note("webhook.rotate_secret", webhook_id, after={"overlap_ms": to_ms(overlap)})
        return secret, to_document(webhook_id, content)

    def delete(self, webhook_id: str) -> None:
        """Forget a webhook: its next message is refused.

        Raises:
            NotFound: There is no such webhook.
        """
        before = self.show(webhook_id)
        self._change(webhook_id, lambda _: None)
        self.audit.note("webhook.delete", webhook_id, before=before)

    def secrets_of(self, webhook_id: str, content: dict[str, Any], *, now_ms: int) -> list[str]:
        """Return the secrets that hold at the moment, to check a signature with.

        Raises:
            ConfigurationError: One is sealed, and this process can't open it.
        """
        texts = [one for one in content["secrets"] if holds(one, now_ms)]
        return [self._open(webhook_id, content["helper"], one) for one in texts]

    def _seal(self, webhook_id: str, helper: str, secret: str) -> dict[str, Any]:
        if not self.cipher.enabled:
            return {"plain": secret, "until_ms": 0}
        sealed = self.cipher.seal(helper, secret.encode(), _SEALED_FOR, webhook_id.encode())
        return {"sealed": base64.b64encode(sealed).decode(), "until_ms": 0}

    def _open(self, webhook_id: str, helper: str, kept: dict[str, Any]) -> str:
        if "plain" in kept:
            return str(kept["plain"])
        if self.cipher.keys.is_empty:
            message = f"The secret of webhook {webhook_id} is encrypted, and this process has no key for it."
            raise ConfigurationError(message, hint="Set HELPERHUB_ENCRYPTION__KEYS where HTTP is served.")
        opened = self.cipher.open(helper, base64.b64decode(kept["sealed"]), _SEALED_FOR, webhook_id.encode())
        return opened.decode()

    def _rotate(self, webhook_id: str, kind: str, new: dict[str, Any], overlap: timedelta) -> dict[str, Any]:
        if overlap < timedelta(0):
            message = "The overlap can't be less than nothing."
            raise UsageError(message)
        now_ms = epoch_ms(self.now())
        ends_ms = now_ms + to_ms(overlap)

        def change(was: dict[str, Any]) -> dict[str, Any]:
            old = [
                {**one, "until_ms": min(one["until_ms"] or ends_ms, ends_ms)}
                for one in was[kind]
                if holds(one, now_ms) and ends_ms > now_ms
            ]
            return {**was, kind: [new, *old]}

        return self._change(webhook_id, change)

    def _change(self, webhook_id: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> dict[str, Any]:
        """Write what ``change`` makes of a webhook's content, under what it was made from."""
        for _ in range(_TRIES):
            raw = self.store.read_raw(webhook_id)
            if not raw:
                raise unknown_webhook(webhook_id)
            after = change(parse(raw))
            if self.store.swap(webhook_id, raw, after):
                return after or {}
        message = f"Webhook {webhook_id} kept changing."
        raise Conflict(message, hint="Try again.")

    def _check(self, wish: WebhookWish) -> None:
        if not 1 <= len(wish.name) <= 80 or not wish.name.isprintable():
            message = "A webhook needs a name of 1 to 80 printable characters, by which people know it again."
            raise UsageError(message)
        if wish.max_body is not None and not _LEAST_BODY <= wish.max_body <= self.max_payload:
            message = f"A webhook's largest body is {_LEAST_BODY} to {self.max_payload} bytes, not {wish.max_body}."
            raise UsageError(message, hint="HELPERHUB_MAX_PAYLOAD sets the most.")


def holds(one: dict[str, Any], now_ms: int) -> bool:
    """Return whether a token or secret holds at ``now_ms``."""
    return not one["until_ms"] or one["until_ms"] > now_ms


def digest_of(secret: str) -> str:
    """Return what is kept of a token's secret part."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_one_of(secret: str, tokens: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the entry of ``tokens`` that ``secret`` belongs to, or None."""
    digest = digest_of(secret)
    found = [one for one in tokens if hmac.compare_digest(digest, str(one["digest"]))]
    return found[0] if found else None


def to_document(webhook_id: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return the document that every face shows."""
    ends = [one["until_ms"] for kind in ("tokens", "secrets") for one in content.get(kind, ()) if one["until_ms"]]
    return {
        "id": webhook_id,
        "name": content.get("name", ""),
        "helper": content.get("helper", ""),
        "enabled": bool(content.get("enabled")),
        "signed": bool(content.get("secrets")),
        "max_body": int(content.get("max_body", 0)),
        "created_at": to_rfc3339(from_ms(content.get("created_ms", 0))),
        "overlap_ends_at": to_rfc3339(from_ms(max(ends))) if ends else None,
    }


def unknown_webhook(webhook_id: str) -> NotFound:
    """Return the error for an id that no webhook has."""
    message = f"There is no webhook '{webhook_id[:40]}'."
    return NotFound(message, hint="'helperhub webhooks list' shows all.")


def _new_token(webhook_id: str) -> tuple[str, str]:
    number = int.from_bytes(secrets.token_bytes(32))
    letters = []
    for _ in range(43):
        number, rest = divmod(number, len(LETTERS))
        letters.append(LETTERS[rest])
    secret = "".join(letters)
    return f"wh_{webhook_id}_{secret}", digest_of(secret)
