"""What waiting for the disk costs: executions enqueued a second, with and without HELPERHUB_DURABLE.

Run ``python bench/durable_enqueue.py``; it takes half a minute and starts servers of its own.
"""

from __future__ import annotations

import threading
import time

from helperhub import Hub, helper
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub

SECONDS = 4.0


@helper
def job(ctx: object) -> None: ...


def rate(hub: Hub, *, threads: int, at_once: int) -> int:
    """Return how many executions a second this many threads enqueue, ``at_once`` in a call."""
    counts = [0] * threads
    end = time.monotonic() + SECONDS

    def send(number: int) -> None:
        while time.monotonic() < end:
            counts[number] += len(hub.enqueue_many([("job", None)] * at_once))

    senders = [threading.Thread(target=send, args=(number,)) for number in range(threads)]
    began = time.monotonic()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return round(sum(counts) / (time.monotonic() - began))


def main() -> None:
    """Print one line for each setting."""
    for appendfsync in ("everysec", "always"):
        with ServerForTests(aof=True, arguments=("--appendfsync", appendfsync)) as server:
            for durable in ("false", "true"):
                hub = build_hub([job], url=server.url, settings={"HELPERHUB_DURABLE": durable})
                hub.register()
                rates = [rate(hub, threads=1, at_once=1), rate(hub, threads=16, at_once=1)]
                rates.append(rate(hub, threads=1, at_once=500))
                hub.close()
                one, many, batched = rates
                print(
                    f"appendfsync {appendfsync:8} durable {durable:5}:"
                    f" 1 thread {one}/s, 16 threads {many}/s, 500 in a call {batched}/s"
                )


if __name__ == "__main__":
    main()
