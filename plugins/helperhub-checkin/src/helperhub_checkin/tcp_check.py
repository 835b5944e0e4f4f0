"""The check of a TCP port: somebody takes the connection."""

from __future__ import annotations

import socket
import time
from typing import Any

from helperhub_checkin.address import show_peer
from helperhub_checkin.failure import CheckFailed, explain
from helperhub_checkin.target import Target


def check_tcp(target: Target) -> dict[str, Any]:
    """Connect to the target, hang up, and return who took the call.

    Raises:
        CheckFailed: Nobody did.
    """
    started = time.perf_counter()
    try:
        with socket.create_connection(target.address, timeout=target.timeout.total_seconds()) as connection:
            peer = show_peer(connection.getpeername())
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name with a label over 63 letters
        message = f"{target.name}: {target.description} {explain(error, timeout=target.timeout)}"
        raise CheckFailed(message) from error
    return {"latency_ms": round((time.perf_counter() - started) * 1000, 1), "peer": peer}
