"""Figures of one shard for metrics: what can be had in three round trips, however many helpers there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helperhub.errors import CorruptRecord
from helperhub.store.connection import Client, on_node, store_errors
from helperhub.store.keys import Keys
from helperhub.store.queues import Queues, QueueStats
from helperhub.store.record import unpack_record
from helperhub.store.times import split_times


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue's part in one shard.

    Args:
        stats: Depths and counters.
        oldest_ready_ms: For how long the first that could start has been due; 0 if there is none.
        wait_ms: Sum of all attempts' waits.
        run_ms: Sum of their runs.
        waited: Attempts by the step of their wait, see `times`.
        ran: The same of their run.
    """

    stats: QueueStats
    oldest_ready_ms: int
    wait_ms: int
    run_ms: int
    waited: Sequence[int]
    ran: Sequence[int]


@dataclass(frozen=True, slots=True)
class ShardFigures:
    """One shard at one moment.

    Args:
        now_ms: Redis TIME.
        queues: Its queues.
        dead: Dead letters.
        registered: Helpers and instances that plugins registered; shard 0's, as the next three.
        scheduled: Helpers and instances that are enabled and have a schedule.
        planned: Of these, those with a due time in the plan.
        next_due_ms: The first due time in the plan; 0 if nothing is planned.
        history_bytes: What finished records hold.
        memory_used: Of the server, bytes.
        memory_max: Its maxmemory, bytes; 0 means not bounded.
    """

    now_ms: int
    queues: Sequence[QueueFigures]
    dead: int
    registered: int
    scheduled: int
    planned: int
    next_due_ms: int
    history_bytes: int
    memory_used: int
    memory_max: int


def read_figures(client: Client, keys: Keys) -> ShardFigures:
    """Return the figures of the shard with these keys.

    Raises:
        StoreError: Redis is away, or refuses.
    """
    every = Queues(client, keys).stats()
    with store_errors():
        seconds, micros = on_node(client, keys.prefix, lambda node: node.time())
        memory = on_node(client, keys.prefix, lambda node: node.info("memory"))
        pipeline = client.pipeline(transaction=False)
        pipeline.zcard(keys.at("dead"))
        pipeline.hlen(keys.at("catalogue"))
        pipeline.hlen(keys.at("planned"))
        pipeline.zcard(keys.at("plan"))
        pipeline.zrange(keys.at("plan"), 0, 0, withscores=True)
        pipeline.hget(keys.at("history"), "bytes")
        for stats in every:
            pipeline.hmget(keys.at("count", stats.name), ["wait_ms", "run_ms"])
            pipeline.hgetall(keys.at("times", stats.name))
            pipeline.zrange(keys.at("ready", stats.name), 0, 0)
            pipeline.zrange(keys.at("suspects", stats.name), 0, 0)
        dead, registered, scheduled, planned, first, history, *rest = pipeline.execute()
    now_ms = seconds * 1000 + micros // 1000
    rows = [rest[at : at + 4] for at in range(0, len(rest), 4)]
    oldest = _due_of(client, keys, [[*ready, *suspects] for _, _, ready, suspects in rows])
    return ShardFigures(
        now_ms=now_ms,
        queues=[
            QueueFigures(
                stats,
                max(0, now_ms - due) if due else 0,
                int(sums[0] or 0),
                int(sums[1] or 0),
                *split_times(times),
            )
            for stats, due, (sums, times, _, _) in zip(every, oldest, rows, strict=True)
        ],
        dead=dead,
        registered=registered,
        scheduled=scheduled,
        planned=planned,
        next_due_ms=int(first[0][1]) if first else 0,
        history_bytes=int(history or 0),
        memory_used=int(memory.get("used_memory", 0)),
        memory_max=int(memory.get("maxmemory", 0)),
    )


def _due_of(client: Client, keys: Keys, firsts: Sequence[Sequence[bytes]]) -> list[int]:
    """Return for each list of ids when the first of them was due, ms; 0 where that isn't known."""
    ids = [id_ for some in firsts for id_ in some]
    if not ids:
        return [0] * len(firsts)
    with store_errors():
        raws = dict(zip(ids, client.mget([keys.record(id_.decode()) for id_ in ids]), strict=True))
    return [min((due for id_ in some if (due := _due(raws[id_]))), default=0) for some in firsts]


def _due(raw: bytes | None) -> int:
    try:
        return unpack_record(raw).due_ms if raw else 0
    except CorruptRecord:  # claim sets it aside, and says so
        return 0
