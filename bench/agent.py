"""The side's own process that enqueues: takes orders as lines of JSON, answers each with one line.

Run by the side's own Python with the name of its adapter. It imports nothing but the adapter and the
standard library, so that it runs in a rival's environment.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import time
from typing import Any

_CHUNK = 500


def main() -> None:
    """Obey orders until the end of the input."""
    adapter: Any = importlib.import_module(sys.argv[1])
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        answer = obey(adapter, order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def obey(adapter: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Do what one order says; the answer holds the seconds it took."""
    if order["do"] == "versions":
        return {name: importlib.metadata.version(name) for name in adapter.DISTRIBUTIONS}
    if order["do"] == "marks":
        return _marks(adapter, order["count"], order["gap_s"])
    call = getattr(adapter, f"enqueue_{order['do']}")
    arguments = [order.get("arguments", [])] * _CHUNK
    count, sent = int(order["count"]), 0
    started = time.perf_counter()
    while sent < count:
        chunk = min(_CHUNK, count - sent)
        call(order["job"], arguments[:chunk])
        sent += chunk
    return {"seconds": time.perf_counter() - started}


def _marks(adapter: Any, count: int, gap_s: float) -> dict[str, Any]:
    for _ in range(count):
        adapter.enqueue_each("mark", [[time.monotonic_ns()]])
        time.sleep(gap_s)
    return {}


if __name__ == "__main__":
    main()
