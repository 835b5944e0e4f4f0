"""What must be true of the server before anything is started on it."""

from __future__ import annotations

import logging

from helperhub.errors import ConfigurationError, StoreError, StoreUnavailable
from helperhub.store.connection import Client
from helperhub.store.server import ServerFacts, read_servers

_log = logging.getLogger("helperhub.start")


def check_server(client: Client, *, durable: bool, warn: bool = True) -> None:
    """Refuse a server that would lose work; warn of one that may.

    Args:
        client: Redis.
        durable: Whether executions are accepted only once they are on the server's disk.
        warn: Write warnings to the log; a supervisor's children leave that to it.

    Raises:
        ConfigurationError: The server is too old, evicts keys, or can't do what ``durable`` needs.
        StoreUnavailable: It can't be reached.
    """
    try:
        servers = read_servers(client)
    except StoreUnavailable:
        raise
    except StoreError as error:
        if warn:
            _log.warning("server_unchecked", extra={"error": str(error)})
        return
    for facts in servers.values():
        _refuse(facts)
        if durable:
            _refuse_durable(facts)
    if warn:
        for facts in servers.values():
            _warn(facts)


def _refuse(facts: ServerFacts) -> None:
    if not facts.supported:
        message = f"The server is {facts.engine} {facts.version or 'of an unknown version'}."
        raise ConfigurationError(message, hint="Use Redis 7.0 or newer, or Valkey 8 or newer.")
    if facts.policy not in ("noeviction", ""):
        message = f"The server's maxmemory-policy is {facts.policy}: it would throw work away when memory runs short."
        raise ConfigurationError(message, hint="Set 'maxmemory-policy noeviction' there, or use another server.")


def _refuse_durable(facts: ServerFacts) -> None:
    if not facts.syncs:
        message = f"HELPERHUB_DURABLE needs WAITAOF, which {facts.engine} {facts.version} doesn't have."
        raise ConfigurationError(message, hint="Use Redis 7.2 or newer, or Valkey; or take HELPERHUB_DURABLE out.")
    if not facts.aof or facts.appendfsync == "no":
        what = "appendfsync no" if facts.aof else "no append-only file"
        message = f"HELPERHUB_DURABLE waits for the server's disk, but it runs with {what}."
        raise ConfigurationError(message, hint="Set 'appendonly yes' and 'appendfsync everysec' or 'always' there.")


def _warn(facts: ServerFacts) -> None:
    unknown = [
        name for name, known in (("maxmemory-policy", facts.policy), ("save", facts.told or facts.aof)) if not known
    ]
    if unknown:
        _log.warning("server_unchecked", extra={"error": f"it doesn't tell {' and '.join(unknown)}"})
    elif not facts.aof:
        lost = "what came since the last snapshot" if facts.snapshots else "everything"
        _log.warning("persistence_missing", extra={"lost_at_a_crash": lost, "hint": "set 'appendonly yes'"})
