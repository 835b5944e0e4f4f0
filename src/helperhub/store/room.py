"""Room for new work: it is refused before Redis is full, so that what runs can still end."""

from __future__ import annotations

import time

from helperhub.errors import StoreError, StoreRefused
from helperhub.store.connection import Client, on_node, store_errors
from helperhub.store.keys import Keys

#: INFO costs a round trip: at most one a second in a process, however much is enqueued.
_LOOK_S = 1.0
_MB = 1_000_000


class Room:
    """Whether a shard's server has room for new work.

    Between two looks a process may add what fits into a second: the share leaves room for that.
    """

    def __init__(self, client: Client, keys: Keys, *, share: float) -> None:
        """Refuse above a share of maxmemory.

        Args:
            client: Redis.
            keys: The shard's keys.
            share: 0.5 to 1.0.
        """
        self._client = client
        self._keys = keys
        self._share = share
        self._look_at = float("-inf")
        self._used = 0
        self._most = 0

    def check(self) -> None:
        """Return if there is room, as far as is known; a server without maxmemory always has.

        Raises:
            StoreRefused: More than the share is used; nothing was sent.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_S  # before the look: other threads don't wait for it
            self._look()
        if self._most and self._used > self._share * self._most:
            message = (
                f"Redis uses {self._used / _MB:.1f} of {self._most / _MB:.1f} MB:"
                f" above {self._share:.0%} of its maxmemory new work is refused, so that running work can end."
            )
            raise StoreRefused(
                message,
                hint="Let workers drain the queues, raise maxmemory, clear dead letters,"
                " or keep less history (HELPERHUB_HISTORY__KEEP).",
            )

    def _look(self) -> None:
        try:
            with store_errors():
                memory = on_node(self._client, self._keys.prefix, lambda node: node.info("memory"))
        except StoreError:  # the script that follows tells what is wrong; INFO alone may be forbidden
            self._most = 0
            return
        self._used, self._most = int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
