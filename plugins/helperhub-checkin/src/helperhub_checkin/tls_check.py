"""The check of a certificate: good for its host today, and for some days more."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from helperhub_checkin.address import show_peer
from helperhub_checkin.failure import CheckFailed, explain
from helperhub_checkin.target import Target
from helperhub_checkin.trust import build_tls_context


def check_tls(target: Target, *, now: datetime | None = None) -> dict[str, Any]:
    """Shake hands with the target and return how long its certificate is good.

    Args:
        target: A ``tls`` target.
        now: What the days are counted from; None means this machine's clock.

    Raises:
        CheckFailed: Nobody answers, the certificate isn't good, or it ends within ``warn_days``.
    """
    context = build_tls_context(target)
    started = time.perf_counter()
    try:
        not_after, peer = _shake_hands(target, context)
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name with a label over 63 letters
        message = f"{target.name}: {target.description} {explain(error, timeout=target.timeout)}"
        raise CheckFailed(message) from error
    latency_ms = round((time.perf_counter() - started) * 1000, 1)
    days_left = (not_after - (now or datetime.now(UTC))) // timedelta(days=1)
    if days_left < target.warn_days:
        days = "1 day" if days_left == 1 else f"{days_left} days"
        message = (
            f"{target.name}: {target.description} expires in {days} ({not_after:%Y-%m-%d}),"
            f" warn_days is {target.warn_days}"
        )
        raise CheckFailed(message)
    return {
        "latency_ms": latency_ms,
        "peer": peer,
        "not_after": not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days_left": days_left,
    }


def _shake_hands(target: Target, context: ssl.SSLContext) -> tuple[datetime, str]:
    host, port = target.address
    with (
        socket.create_connection((host, port), timeout=target.timeout.total_seconds()) as connection,
        context.wrap_socket(connection, server_hostname=host) as tls,
    ):
        certificate = tls.getpeercert() or {}
        # A verified certificate always has an end (RFC 5280, section 4.1.2.5).
        seconds = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        return datetime.fromtimestamp(seconds, UTC), show_peer(tls.getpeername())
