"""The doorbell: a list that a script pushes to, and a worker process waits at."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Any

import redis

from helperhub.store.connection import Client, build_connection, find_servers_anew, store_errors
from helperhub.store.keys import Keys

#: One blocking read lasts so long, seconds; the next one shows whether the connection still lives.
_READ_S = 5
#: Without its answer by then the connection is taken for lost.
_LOST_S = 15.0


class Bell:
    """One worker's bell: `ring` rings it through Redis, `rouse` from another thread of its process."""

    def __init__(self, client: Client, keys: Keys, worker: str) -> None:
        """Prepare; nothing connects before the first `wait`.

        Args:
            client: Redis; one that makes no second try by itself.
            keys: The shard's keys.
            worker: The worker process's id.
        """
        self.client = client
        self._key = keys.at("bell", worker)
        self._inside: tuple[socket.socket, socket.socket] | None = None
        self._roused = False
        #: Where a blocking read is under way, and since when, monotonic seconds.
        self._listening: Any = None
        self._since = 0.0

    def open(self) -> None:
        """Let it be roused from now on; after a fork, for each process has its own."""
        if self._inside is None:
            self._inside = socket.socketpair()
            for end in self._inside:
                end.settimeout(0)

    def close(self) -> None:
        """Let nobody wait any more."""
        inside, self._inside = self._inside, None
        for end in inside or ():
            end.close()
        self._stop_listening()

    def wait(self, timeout: float, *, listen: bool = True) -> bool:
        """Wait for `ring` or `rouse`, at most ``timeout`` seconds; return whether Redis rang.

        Args:
            timeout: Seconds.
            listen: Whether Redis may ring; else only `rouse` ends the wait early.

        Raises:
            StoreError: The connection was lost, or Redis refuses.
        """
        if self._inside is None:
            time.sleep(timeout)
            return False
        poll = select.poll()
        poll.register(self._inside[0], select.POLLIN)
        if listen:
            with store_errors():
                poll.register(self._listen(), select.POLLIN)
        woken = dict(poll.poll(max(0, timeout) * 1000))
        if self._inside[0].fileno() in woken:
            self.forget()
        return listen and len(woken) > (self._inside[0].fileno() in woken) and self._read()

    def forget(self) -> None:
        """Take what `rouse` has said so far as heard."""
        if self._roused and self._inside is not None:
            with suppress(BlockingIOError):  # the other thread has yet to write
                self._inside[0].recv(64)
            # Last: who finds it set and says nothing has changed what it is about before the caller looks.
            self._roused = False

    def rouse(self) -> None:
        """End a `wait`, or the next one, of another thread of this process."""
        if self._roused or self._inside is None:
            return
        self._roused = True
        with suppress(OSError):  # closed, or full of what nobody has heard: either way nobody has to be woken
            self._inside[1].send(b"\0")

    def _listen(self) -> int:
        """Return what can be read from once Redis rings."""
        if self._listening is not None and time.monotonic() - self._since > _LOST_S:
            self._stop_listening()
        if self._listening is None:
            self._listening = build_connection(self.client, self._key)
            self._since = 0.0
        if not self._since:
            try:
                self._listening.send_command("BLPOP", self._key, _READ_S)
            except BaseException:
                self._stop_listening()
                raise
            self._since = time.monotonic()
        return int(self._listening._sock.fileno())  # noqa: SLF001 - redis-py has no public way to wait for two things

    def _read(self) -> bool:
        with store_errors():
            try:
                answer = self._listening.read_response()
            except redis.RedisError:
                self._stop_listening()
                find_servers_anew(self.client)
                raise
            self._since = 0.0
            return answer is not None

    def _stop_listening(self) -> None:
        connection, self._listening = self._listening, None
        if connection is not None:
            connection.disconnect()


def ring(client: Client, keys: Keys, worker: str) -> None:
    """Ring a worker's bell, so that it looks again at once.

    Raises:
        StoreError: Redis is away, or refuses.
    """
    with store_errors():
        pipeline = client.pipeline()
        pipeline.lpush(keys.at("bell", worker), "1")
        pipeline.pexpire(keys.at("bell", worker), 5000)
        pipeline.execute()
