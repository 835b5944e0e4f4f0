"""Signatures of webhooks as the Standard Webhooks specification has them (https://www.standardwebhooks.com, version 1).

A message is signed as ``<webhook-id>.<webhook-timestamp>.<body>`` with HMAC-SHA256; ``webhook-signature`` lists
``v1,<base64>`` parted by blanks, one for each secret that holds at the moment. A secret reads ``whsec_<base64>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping

from helperhub.errors import Unauthenticated, UsageError

PREFIX = "whsec_"
#: A message this much older or newer than our clock is refused, seconds; the specification's own libraries say so.
TOLERANCE_S = 300
_HINT = "Sign as Standard Webhooks says, with the secret that was shown when the webhook was made."
#: The specification allows 24 to 64 bytes.
_SECRET_BYTES = 32


def new_secret() -> str:
    """Return a fresh secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the entry of ``webhook-signature`` for one secret.

    Raises:
        UsageError: ``secret`` isn't one.
    """
    text = b"%b.%d.%b" % (message_id.encode(), timestamp_s, body)
    return "v1," + base64.b64encode(hmac.digest(_key_of(secret), text, hashlib.sha256)).decode()


def verify(known: Iterable[str], headers: Mapping[str, str], body: bytes, *, now_s: float) -> str:
    """Return the id of a message that one of the secrets signed, not long ago.

    Args:
        known: Secrets that hold at the moment.
        headers: The request's, by lower-case name.
        body: Its bytes as they came.
        now_s: This machine's time, seconds since 1970.

    Raises:
        Unauthenticated: A header is missing, the signature is no secret's, or the message is too old or too new.
    """
    message_id, sent, shown = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message_id and sent and shown):
        message = "This webhook takes signed messages only: webhook-id, webhook-timestamp and webhook-signature."
        raise Unauthenticated(message, hint=_HINT)
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 12):
        message = "webhook-timestamp isn't a number of seconds since 1970."
        raise Unauthenticated(message, hint=_HINT)
    if abs(now_s - int(sent)) > TOLERANCE_S:
        message = f"webhook-timestamp is more than {TOLERANCE_S} s away from this machine's time."
        raise Unauthenticated(message, hint="Check both clocks, and sign each repetition anew.")
    entries = shown.encode(errors="replace").split(b" ")
    wanted = [sign(secret, message_id, int(sent), body).encode() for secret in known]
    # Every pair is compared: how long it takes tells nobody how much was right.
    right = [hmac.compare_digest(entry, one) for entry in entries for one in wanted]
    if True not in right:
        message = "No signature in webhook-signature is right."
        raise Unauthenticated(message, hint=_HINT)
    return message_id


def _key_of(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        message = "The secret of a webhook isn't whsec_ and base64."
        raise UsageError(message) from error


__all__ = ["PREFIX", "TOLERANCE_S", "new_secret", "sign", "verify"]
