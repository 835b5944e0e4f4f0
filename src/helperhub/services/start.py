"""What must be true of the server before anything is started on it."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace

from helperhub.errors import ConfigurationError, StoreError, StoreRefused, StoreUnavailable
from helperhub.store import schema
from helperhub.store.connection import Client
from helperhub.store.scripts import Scripts
from helperhub.store.server import ServerFacts, read_servers
from helperhub.store.shard_count import holds_work, read_shard_count, write_shard_count

_log = logging.getLogger("helperhub.start")


def check_server(client: Client, *, durable: bool, warn: bool = True) -> list[str]:
    """Refuse a server that would lose work; return, and log, what is to be said of one that may.

    Args:
        client: Redis.
        durable: Whether executions are accepted only once they are on the server's disk.
        warn: Log the warnings; a supervisor's children leave that to it.

    Raises:
        ConfigurationError: The server is too old, evicts keys, or can't do what ``durable`` needs.
        StoreUnavailable: It can't be reached; of several, none can.
    """
    warnings: list[str] = []
    for where, facts in read_servers(client).items():
        if isinstance(facts, StoreError):
            warnings.append(_warn_unchecked(f"{where}: {facts}" if where else str(facts), log=warn))
            continue
        _refuse(facts)
        if durable:
            _refuse_durable(facts)
        warnings += _warn(facts, log=warn)
    return warnings


def check_shards(scripts: Scripts) -> None:
    """Refuse to work with fewer shards than the hub has, unless the others are empty; keep the number.

    Raises:
        ConfigurationError: Work in a shard would never be claimed.
        StoreError: Shard 0 can't be asked.
    """
    count = len(scripts.each)
    known = read_shard_count(scripts.client, scripts.keys)
    if known == count:
        return
    left = [n for n in range(count, known) if holds_work(scripts.client, replace(scripts.keys, shard=n))]
    if left:
        message = f"This hub has {known} shards, and HELPERHUB_SHARDS={count} leaves out {left}, which hold work."
        hint = f"Set HELPERHUB_SHARDS={known} everywhere; or first give their queues another SHARD and let them drain."
        raise ConfigurationError(message, hint=hint)
    with contextlib.suppress(StoreRefused):  # memory is short: the next start keeps it
        write_shard_count(scripts.client, scripts.keys, count)


def check_schema(scripts: Scripts) -> None:
    """Refuse to work on keys that this release can't read, or that a process at work couldn't read afterwards.

    Raises:
        NewerSchema: A newer release has taken over the hub's keys.
        ConfigurationError: A process of a release is at work that can't read what this one writes.
        StoreError: Shard 0 can't be asked.
    """
    for part in scripts.each:
        try:
            written, behind = part.agree()
        except StoreUnavailable:
            if part.keys == scripts.keys:
                raise
            continue  # its scripts refuse as well
        if behind:
            message = f"Process '{behind}' is at work on this hub and can't read what this release writes."
            hint = "Stop all processes of the release before, then start these; their work waits."
            raise ConfigurationError(message, hint=hint)
        if 0 < written < schema.KNOWN.reads_from:
            message = f"The hub's keys have schema {written}; this release reads {schema.KNOWN.reads_from} and newer."
            raise ConfigurationError(message, hint="Run the release in between first.")


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


def _warn(facts: ServerFacts, *, log: bool) -> list[str]:
    unknown = [
        name for name, known in (("maxmemory-policy", facts.policy), ("save", facts.told or facts.aof)) if not known
    ]
    if unknown:
        return [_warn_unchecked(f"it doesn't tell {' and '.join(unknown)}", log=log)]
    if facts.aof:
        return []
    lost = "what came since the last snapshot" if facts.snapshots else "everything"
    if log:
        _log.warning("persistence_missing", extra={"lost_at_a_crash": lost, "hint": "set 'appendonly yes'"})
    return [f"The server writes no append-only file: a crash loses {lost}. Set 'appendonly yes' there."]


def _warn_unchecked(why: str, *, log: bool) -> str:
    if log:
        _log.warning("server_unchecked", extra={"error": why})
    return f"The server couldn't be checked: {why}."
