"""The secret that callbacks are signed with.

It is derived from the signing ring, so it needs no setting of its own, and whoever is told it learns
nothing of the ring.
"""

from __future__ import annotations

import base64
import hmac

from helperhub.trust.keyring import KeyRing
from helperhub.trust.standard_webhooks import PREFIX

_LABEL = b"helperhub webhook secret hub:"


def derive_secrets(ring: KeyRing, hub: str) -> list[str]:
    """Return a hub's secrets, ``whsec_...``, the one in use first, from the ring of the helper that calls back."""
    digests = (hmac.digest(key.secret, _LABEL + hub.encode(), "sha256") for key in ring.keys)
    return [PREFIX + base64.b64encode(digest).decode() for digest in digests]


__all__ = ["derive_secrets"]
