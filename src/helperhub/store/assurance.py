"""What is waited for before new work counts as accepted: the disk, and replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helperhub.errors import StoreUnavailable
from helperhub.store.connection import Client, on_node
from helperhub.store.keys import Keys

#: Below the client's socket time-out, so that the server's answer arrives: it says how far it came.
WAIT_MS = 4000
_HINT = "It may be in. With an id of your own, sending it again doubles nothing."


@dataclass(frozen=True, slots=True)
class Assurance:
    """Waits until what a script wrote is safe.

    Args:
        disk: The server has synced its append-only file (WAITAOF: Redis 7.2, or Valkey).
        replicas: So many replicas have it; with ``disk`` they have synced theirs, too.
    """

    disk: bool
    replicas: int

    def run(self, client: Client, keys: Keys, *command: Any) -> Any:
        """Run ``command`` and wait, in one round trip on one connection: the server goes by the connection's writes.

        Raises:
            StoreUnavailable: The command was carried out, but isn't known to be safe in time.
            redis.RedisError: As from any call.
        """
        answer, _, safe = on_node(client, keys.prefix, lambda node: self._send(node, keys, command))
        on_disk, copies = safe if self.disk else (0, safe)
        if on_disk < int(self.disk) or copies < self.replicas:
            raise StoreUnavailable(self._unsafe(on_disk, copies), hint=_HINT)
        return answer

    def _send(self, node: Client, keys: Keys, command: tuple[Any, ...]) -> Any:
        pipeline = node.pipeline(transaction=False)
        pipeline.execute_command(*command)
        # A call that is sent again finds its work there and writes nothing: then there would be nothing to wait for.
        pipeline.set(keys.at("synced"), "1")
        if self.disk:
            pipeline.execute_command("WAITAOF", 1, self.replicas, WAIT_MS)
        else:
            pipeline.execute_command("WAIT", self.replicas, WAIT_MS)
        return pipeline.execute()

    def _unsafe(self, on_disk: int, copies: int) -> str:
        missing = []
        if on_disk < int(self.disk):
            missing.append("its append-only file isn't synced")
        if copies < self.replicas:
            missing.append(f"{copies} of {self.replicas} replicas have it")
        return f"Redis took the work, but within {WAIT_MS / 1000:.0f} s {' and '.join(missing)}."
