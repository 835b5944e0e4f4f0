"""What work that waits for a limit costs everybody else: ``python -m bench.parked [how many]``.

Parks executions of one helper in the queue that other work goes through, in several ways, and
measures the claims (and whole rounds of publish, claim, settle) of the other work beside it. Prints
one line of JSON each: `claim_p50_ms` and `claim_p99_ms` as a worker process sees them, `commands` the
Redis commands of one claim, and of `round`, with nothing parked (`none`) to compare with.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from helperhub.model.limits import HeldLimits, Limits, Rate
from helperhub.store.connection import build_client
from helperhub.store.keys import Keys
from helperhub.store.record import Record
from helperhub.store.rules import pack_limits
from helperhub.store.scripts import Publication, Scripts, Settlement
from helperhub.testing.server import ServerForTests

PARKED = 100_000
ROUNDS = 2_000
WANT = 8
_BATCH = 500
#: How it is parked: the limits, and whether each execution has a key of its own.
WAYS: dict[str, tuple[HeldLimits, bool]] = {
    "none": (HeldLimits(), False),
    "concurrency": (HeldLimits(Limits(concurrency=1)), False),
    "rate": (HeldLimits(Limits(rate=Rate(1, timedelta(days=1)))), False),
    "paused": (HeldLimits(paused=True), False),
    "rate of each key": (HeldLimits(Limits(key="user", rate_per_key=Rate(1, timedelta(days=1)))), True),
}


def measure(way: str, parked: int = PARKED, rounds: int = ROUNDS) -> dict[str, Any]:
    """Park so many, and return what claims of other work cost beside them."""
    held, own_key = WAYS[way]
    with ServerForTests() as server:
        client: Any = build_client(server.url)
        scripts = Scripts(client, Keys("parked"))
        scripts.set_rules({"helper:held": pack_limits(held)} if held else {})
        scripts.join("w", lease_ms=3_600_000, about={"queues": "default"})
        number = 0
        if held:
            for start in range(0, parked, _BATCH):
                scripts.publish(list(_some("held", start, own_key=own_key)))
            if own_key:  # each key's one start is used up, and a second waits
                number = _use_up(scripts)
                for start in range(0, parked, _BATCH):
                    scripts.publish(list(_some("held", start, own_key=own_key, again=True)))
            else:  # the one that may start has started
                number += 1
                scripts.claim("w", ["default"], number=number, want=WANT, will_wait=False, waited=False)
        waiting = int(client.hget(scripts.keys.at("count", "default"), "limited") or 0)
        return {"way": way, "parked": waiting} | _measure_claims(scripts, client, number, rounds)


def _measure_claims(scripts: Scripts, client: Any, number: int, rounds: int) -> dict[str, Any]:
    claims, whole = [], []
    commands = 0
    for turn in range(rounds):
        began = time.perf_counter()
        scripts.publish([Publication(f"o{turn}-{i}", Record(helper="other")) for i in range(WANT)])
        number += 1
        before = _commands(client) if turn % 100 == 0 else 0
        asked = time.perf_counter()
        claimed = scripts.claim("w", ["default"], number=number, want=WANT, will_wait=False, waited=False)
        claims.append((time.perf_counter() - asked) * 1000)
        commands += _commands(client) - before if before else 0
        ids = [id_ for id_, _ in claimed.records]
        if len(ids) != WANT:
            message = f"{len(ids)} instead of {WANT} were handed out"
            raise RuntimeError(message)
        scripts.settle("w", [Settlement(id_, number, "done") for id_ in ids])
        whole.append((time.perf_counter() - began) * 1000)
    # INFO itself is one of them.
    each = commands / (rounds // 100) - 1
    return {
        "claim_p50_ms": _quantile(claims, 0.5),
        "claim_p99_ms": _quantile(claims, 0.99),
        "claim_max_ms": round(max(claims), 2),
        "round_p99_ms": _quantile(whole, 0.99),
        "commands": round(each, 1),
    }


def _use_up(scripts: Scripts) -> int:
    number = 0
    while True:
        number += 1
        claimed = scripts.claim("w", ["default"], number=number, want=_BATCH, will_wait=False, waited=False)
        if not claimed.records:
            return number
        scripts.settle("w", [Settlement(id_, number, "done") for id_, _ in claimed.records])


def _some(helper: str, start: int, *, own_key: bool, again: bool = False) -> Iterator[Publication]:
    for i in range(start, start + _BATCH):
        yield Publication(f"{'b' if again else 'a'}{i}", Record(helper=helper, key=f"user-{i}" if own_key else ""))


def _commands(client: Any) -> int:
    stats = client.info("commandstats")
    return sum(row["calls"] for row in stats.values())


def _quantile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 3)


def main() -> None:
    """Measure every way."""
    parked = int(sys.argv[1]) if len(sys.argv) > 1 else PARKED
    for way in WAYS:
        print(json.dumps(measure(way, parked)), flush=True)


if __name__ == "__main__":
    main()
