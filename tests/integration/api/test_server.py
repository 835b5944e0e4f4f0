"""The server itself."""

from __future__ import annotations

import socket

from helperhub.api.server import ServerOptions, listen


def test_answers_of_accepted_connections_arent_held_back() -> None:
    """asyncio switches Nagle's algorithm off only where the socket names TCP; else each answer took 40 ms."""
    options = ServerOptions("127.0.0.1", 0, head_patience_s=1, max_connections=1)

    with listen(options) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
            accepted.close()

    assert accepted.proto == socket.IPPROTO_TCP
