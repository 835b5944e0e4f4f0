"""Signatures of what is posted outside, as Standard Webhooks has them (standardwebhooks.com, 1.0).

The secret is derived from the signing ring, so it needs no setting of its own, and whoever is told
it learns nothing of the ring.
"""

from __future__ import annotations

import base64
import hmac

from helperhub.trust.keyring import KeyRing

_LABEL = b"helperhub webhook secret hub:"


def derive_secrets(ring: KeyRing, hub: str) -> list[bytes]:
    """Return a hub's secrets, of which the first is the one in use, from the ring of the helper that posts."""
    return [hmac.digest(key.secret, _LABEL + hub.encode(), "sha256") for key in ring.keys]


def write_secret(secret: bytes) -> str:
    """Return a secret as receivers' libraries take it, ``whsec_<base64>``."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def sign_webhook(secrets: list[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header ``webhook-signature``: one signature for each secret, so that receivers may change it later."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    digests = (hmac.digest(secret, signed, "sha256") for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


__all__ = ["derive_secrets", "sign_webhook", "write_secret"]
