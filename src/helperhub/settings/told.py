"""What a process is told beside its settings' plain values: key rings, and when its supervisor started."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import SecretStr

from helperhub.trust.keyring import KeyRing, parse_helper_keys, parse_ring


def read_rings(ring: SecretStr | None, given: SecretStr | None) -> tuple[KeyRing | None, dict[str, KeyRing]]:
    """Return the hub's ring and those of single helpers, as two settings give them."""
    return (
        parse_ring(ring.get_secret_value()) if ring else None,
        parse_helper_keys(given.get_secret_value()) if given else {},
    )


def read_started_at(environ: Mapping[str, str]) -> datetime:
    """Return when this process's supervisor started, so that "at this start" is one moment for all; else now."""
    told = environ.get("HELPERHUB_STARTED_AT")
    return datetime.fromtimestamp(int(told), UTC) if told else datetime.now(UTC)
