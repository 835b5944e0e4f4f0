"""A Redis Cluster of three primaries, with or without replicas: for tests of several shards, and of a failover."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helperhub.testing.node import Node, Nodes, follows, free_port, wait_until

_SLOTS = 16384


class ClusterForTests(Nodes):
    """Primaries that share the slots evenly, for a ``with`` block in the main thread.

    Args:
        primaries: How many.
        replicas: Give each primary one.
        arguments: More of the servers' own options.
    """

    def __init__(self, *, primaries: int = 3, replicas: bool = False, arguments: Sequence[str] = ()) -> None:
        super().__init__()
        self._primaries = primaries
        self._with_replicas = replicas
        self._arguments = tuple(arguments)
        self._bus_ports: dict[int, int] = {}
        self.nodes: list[Node] = []
        #: Of each primary, in the same order.
        self.replicas: list[Node] = []

    def _join(self, directory: Path) -> None:
        """Start all, and wait until they are one Cluster."""
        self.nodes += [self._start_member(directory / f"n{number}") for number in range(self._primaries)]
        for number, node in enumerate(self.nodes):
            first, end = (_SLOTS * n // self._primaries for n in (number, number + 1))
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        if self._with_replicas:
            self.replicas += [self._start_member(directory / f"r{number}") for number in range(self._primaries)]
        for node in [*self.nodes[1:], *self.replicas]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self._bus_ports[self.nodes[0].port])
        wait_until(lambda: all(self._knows_all(node) for node in [*self.nodes, *self.replicas]), seconds=20)
        for node, replica in zip(self.nodes, self.replicas, strict=False):
            replica.ask("CLUSTER", "REPLICATE", node.ask("CLUSTER", "MYID").decode())
        wait_until(lambda: all(map(follows, self.replicas)), seconds=20)

    @property
    def url(self) -> str:
        """The URL of the Cluster."""
        return f"redis+cluster://{','.join(node.address for node in self.nodes)}"

    def node_of(self, key: str) -> Node:
        """Return the primary that holds ``key``."""
        slot = int(self.nodes[0].ask("CLUSTER", "KEYSLOT", key))
        return next(node for number, node in enumerate(self.nodes) if slot < _SLOTS * (number + 1) // self._primaries)

    def fail_over(self, node: Node) -> None:
        """Kill a primary, and return once its replica has taken over."""
        replica = self.replicas[self.nodes.index(node)]
        node.kill()
        wait_until(lambda: replica.ask("ROLE")[0] == b"master", seconds=30)

    def _start_member(self, directory: Path) -> Node:
        bus = free_port()
        options = {
            "--cluster-enabled": "yes",
            "--cluster-port": str(bus),
            "--cluster-node-timeout": "3000",
            # One primary that is down must not stop the others.
            "--cluster-require-full-coverage": "no",
            "--appendonly": "yes",
        }
        node = Node(directory, (*(word for option in options.items() for word in option), *self._arguments))
        self._bus_ports[node.port] = bus
        return self._start(node)

    def _knows_all(self, node: Node) -> bool:
        info = bytes(node.ask("CLUSTER", "INFO"))
        nodes = len(self.nodes) + len(self.replicas)
        wanted = ("cluster_state:ok", f"cluster_size:{self._primaries}", f"cluster_known_nodes:{nodes}")
        return all(text.encode() in info for text in wanted)


__all__ = ["ClusterForTests"]
