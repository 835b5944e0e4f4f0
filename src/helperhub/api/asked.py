"""What a request is known by when it comes again."""

from __future__ import annotations

import hashlib

from helperhub.model.access import Principal


def id_of_request(caller: Principal, what: str, own_id: str | None, idempotency_key: str | None) -> str | None:
    """Return the id that an execution gets, or None for a fresh one.

    One that follows from an ``Idempotency-Key`` (the IETF draft of that name) is the same whenever that caller
    asks for the same thing under that key, whatever became of the first answer.

    Args:
        caller: Who asks; two callers' keys don't meet.
        what: The helper.
        own_id: The caller's own id, which counts before the key.
        idempotency_key: The header.
    """
    if own_id is not None or idempotency_key is None:
        return own_id
    digest = hashlib.sha256("\0".join((caller.name, what, idempotency_key)).encode()).hexdigest()
    return f"once-{digest[:40]}"
