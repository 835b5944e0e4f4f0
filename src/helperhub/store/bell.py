"""The doorbell: a list that a script pushes to, and an idle worker blocks on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Bell:
    """One worker's bell.

    Args:
        client: A client whose socket time-out is longer than any wait.
        keys: The shard's keys.
        worker: The worker process's id.
    """

    client: Client
    keys: Keys
    worker: str

    def wait(self, timeout: float) -> bool:
        """Wait for a ring at most ``timeout`` seconds; True if it rang.

        Raises:
            StoreUnavailable: The connection was lost meanwhile.
        """
        if timeout < 0.01:  # a blocking read that short costs more than it saves
            time.sleep(timeout)
            return False
        with store_errors():
            return self.client.blpop([self.keys.at("bell", self.worker)], timeout=timeout) is not None

    def ring(self) -> None:
        """Ring it, so that the worker looks again at once."""
        with store_errors():
            pipeline = self.client.pipeline()
            pipeline.lpush(self.keys.at("bell", self.worker), "1")
            pipeline.pexpire(self.keys.at("bell", self.worker), 5000)
            pipeline.execute()
