"""How many shards a hub has, so that none is left behind unnoticed."""

from __future__ import annotations

from helperhub.store.connection import Client, store_errors
from helperhub.store.executions import Executions
from helperhub.store.keys import Keys
from helperhub.store.queues import Queues


def read_shard_count(client: Client, keys: Keys) -> int:
    """Return how many shards the hub had when a process of it last started; 1 if nobody said so.

    Args:
        client: Redis.
        keys: Shard 0's.
    """
    with store_errors():
        return int(client.get(keys.at("shards")) or 1)


def write_shard_count(client: Client, keys: Keys, count: int) -> None:
    """Keep how many shards the hub has."""
    with store_errors():
        client.set(keys.at("shards"), count)


def holds_work(client: Client, keys: Keys) -> bool:
    """Return whether a shard has anything that isn't over, or a dead letter."""
    queues = Queues(client, keys)
    return any(map(queues.unfinished, queues.names())) or Executions(client, keys).count_dead() > 0
