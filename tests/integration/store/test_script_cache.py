"""The server's script cache may be emptied at any moment."""

from __future__ import annotations

import threading

from .conftest import Store


def test_scripts_run_while_the_cache_is_flushed_all_the_time(store: Store) -> None:
    # A flush between SCRIPT LOAD and EVALSHA once made a verdict fail for good.
    stop = threading.Event()

    def flush() -> None:
        while not stop.is_set():
            store.client.script_flush()

    flushing = threading.Thread(target=flush)
    flushing.start()
    try:
        leases = [store.scripts.renew([], lease_ms=1000) for _ in range(500)]
    finally:
        stop.set()
        flushing.join()

    assert leases == [[]] * 500
