"""A primary with its replica, watched by three Sentinels: for tests of a failover."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helperhub.testing.node import Node, Nodes, follows, wait_until

SERVICE = "helperhub"
_SENTINELS = 3
#: A primary that is silent this long is down: short, so that tests don't wait.
_DOWN_AFTER_MS = 2000
_FAILOVER_S = 30.0


class SentinelForTests(Nodes):
    """One primary, one replica, three Sentinels, for a ``with`` block in the main thread.

    Args:
        arguments: More of the servers' own options.
    """

    def __init__(self, *, arguments: Sequence[str] = ()) -> None:
        self._arguments = ("--appendonly", "yes", "--repl-diskless-sync-delay", "0", *arguments)
        super().__init__()
        self.servers: list[Node] = []
        self.sentinels: list[Node] = []

    def _join(self, directory: Path) -> None:
        """Start all, and wait until the Sentinels know each other and the replica."""
        primary = Node(directory / "a", self._arguments)
        replica = Node(directory / "b", (*self._arguments, "--replicaof", "127.0.0.1", str(primary.port)))
        self.servers += [self._start(node) for node in (primary, replica)]
        wait_until(lambda: follows(replica))
        for number in range(_SENTINELS):
            config = (
                f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER_MS}\n"
                f"sentinel failover-timeout {SERVICE} 10000\n"
            )
            self.sentinels.append(self._start(Node(directory / f"s{number}", config=config)))
        wait_until(lambda: all(map(_knows_all, self.sentinels)), seconds=20)

    @property
    def url(self) -> str:
        """The URL that follows the primary."""
        return f"redis+sentinel://{','.join(sentinel.address for sentinel in self.sentinels)}/{SERVICE}"

    @property
    def primary(self) -> Node:
        """The server that the Sentinels name now."""
        _, port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(port))

    def fail_over(self) -> None:
        """Kill the primary, and return once the Sentinels name another."""
        before = self.primary
        before.kill()
        wait_until(lambda: self.primary is not before, seconds=_FAILOVER_S)

    def restore(self) -> None:
        """Start what was killed again, and return once it follows the primary."""
        for server in self.servers:
            if not server.is_running:
                server.start()
        followers = [server for server in self.servers if server is not self.primary]
        wait_until(lambda: all(map(follows, followers)), seconds=_FAILOVER_S)


def _knows_all(sentinel: Node) -> bool:
    known = sentinel.ask("INFO", "sentinel")["master0"]
    return (known["slaves"], known["sentinels"]) == (1, _SENTINELS)


__all__ = ["SERVICE", "SentinelForTests"]
