"""The server itself: version, persistence, eviction, clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helperhub.errors import StoreError, StoreUnavailable
from helperhub.store.connection import Client, on_node, primaries, store_errors


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
        told: Whether it lets CONFIG be read; managed servers often don't.
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
    told: bool = True

    @property
    def supported(self) -> bool:
        """Whether it is Redis >= 7.0 or Valkey >= 8."""
        return self._is_from(8, 7)

    @property
    def syncs(self) -> bool:
        """Whether a client can wait for the append-only file (WAITAOF): Redis >= 7.2 or Valkey."""
        return self._is_from(7, 7.2)

    def _is_from(self, valkey: float, redis: float) -> bool:
        parts = [int(part) for part in self.version.split(".")[:2] if part.isdecimal()]
        major, minor = (*parts, 0, 0)[:2]
        oldest = valkey if self.engine == "valkey" else redis
        return (major, minor) >= (int(oldest), round(oldest % 1 * 10))


def read_servers(client: Client) -> dict[str, ServerFacts | StoreError]:
    """Return the facts of every server that takes writes, by address; of the only one under an empty one.

    One that can't be asked has its error instead.

    Raises:
        StoreUnavailable: None can be reached.
    """
    with store_errors():
        nodes = primaries(client)
    found: dict[str, ServerFacts | StoreError] = {}
    for name, node in nodes.items():
        try:
            found[name] = _read(node)
        except StoreError as error:
            found[name] = error
    away = [facts for facts in found.values() if isinstance(facts, StoreUnavailable)]
    if away and len(away) == len(found):
        raise away[0]
    return found


def read_server(client: Client, key: str) -> ServerFacts:
    """Return the facts of the server that holds ``key``.

    Raises:
        StoreError: It can't be asked.
    """
    with store_errors():
        return on_node(client, key, _read)


def _read(client: Client) -> ServerFacts:
    with store_errors():
        info: dict[str, Any] = client.info()
        seconds, micros = client.time()
    config = _config(client)
    engine = "valkey" if "valkey_version" in info else "redis"
    return ServerFacts(
        engine=engine,
        version=str(info.get("valkey_version") or info.get("redis_version", "")),
        aof=bool(info.get("aof_enabled")),
        appendfsync=(config or {}).get("appendfsync", ""),
        snapshots=bool((config or {}).get("save", "")),
        maxmemory=int(info.get("maxmemory", 0)),
        used_memory=int(info.get("used_memory", 0)),
        policy=str(info.get("maxmemory_policy", "")),
        now_ms=seconds * 1000 + micros // 1000,
        told=config is not None,
    )


def _config(client: Client) -> dict[str, str] | None:
    try:
        with store_errors():
            return {**client.config_get("appendfsync"), **client.config_get("save")}
    except StoreUnavailable:
        raise
    except StoreError:  # managed servers forbid CONFIG; INFO tells the rest
        return None
