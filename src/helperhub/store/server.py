"""The server itself: version, persistence, eviction, clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helperhub.store.connection import Client, store_errors


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What HelperHub needs to know of the server.

    Args:
        engine: ``valkey`` or ``redis``.
        version: Its version.
        aof: Whether every write goes to an append-only file.
        appendfsync: ``always``, ``everysec`` or ``no``; empty when the server doesn't tell.
        snapshots: Whether it saves snapshots.
        maxmemory: Bytes, 0 means not bounded.
        used_memory: Bytes.
        policy: Eviction policy; anything but ``noeviction`` may lose work.
        now_ms: Its clock, epoch ms.
    """

    engine: str
    version: str
    aof: bool
    appendfsync: str
    snapshots: bool
    maxmemory: int
    used_memory: int
    policy: str
    now_ms: int

    @property
    def supported(self) -> bool:
        """Whether it is Redis >= 7.0 or Valkey >= 8."""
        major = int(self.version.partition(".")[0] or 0)
        return major >= (8 if self.engine == "valkey" else 7)


def read_server(client: Client) -> ServerFacts:
    """Return the facts of the server behind ``client``.

    Raises:
        StoreError: It can't be asked.
    """
    with store_errors():
        info: dict[str, Any] = client.info()
        seconds, micros = client.time()
    config = _config(client)
    engine = "valkey" if "valkey_version" in info else "redis"
    return ServerFacts(
        engine=engine,
        version=str(info.get("valkey_version") or info.get("redis_version", "")),
        aof=bool(info.get("aof_enabled")),
        appendfsync=config.get("appendfsync", ""),
        snapshots=bool(config.get("save", "")),
        maxmemory=int(info.get("maxmemory", 0)),
        used_memory=int(info.get("used_memory", 0)),
        policy=str(info.get("maxmemory_policy", "")),
        now_ms=seconds * 1000 + micros // 1000,
    )


def _config(client: Client) -> dict[str, str]:
    try:
        with store_errors():
            return {**client.config_get("appendfsync"), **client.config_get("save")}
    except Exception:  # noqa: BLE001 - managed servers forbid CONFIG; INFO tells the rest
        return {}
