"""A connection that a thread keeps: taking one out of redis-py's pool costs half as much as a whole script call."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

import redis

from helperhub.store.connection import Client, build_connection, is_cluster


class Line:
    """Sends commands that may be sent twice over a connection of the calling thread's own.

    With what fails for the connection's sake the client begins anew, which tries as often as it was told to.
    A process that was forked, and a thread, has its own connection, and closes it with its end.
    """

    def __init__(self, client: Client) -> None:
        """Prepare; a thread's first call connects. A Cluster's client sends everything itself."""
        self._client = client
        self._passes_on = is_cluster(client)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: weakref.WeakSet[Any] = weakref.WeakSet()

    def call(self, *command: Any) -> Any:
        """Return the answer to ``command``.

        Raises:
            redis.RedisError: There is none, or it is an error.
        """
        if self._passes_on:
            return self._client.execute_command(*command)
        connection = getattr(self._own, "connection", None)
        if connection is None or self._own.pid != os.getpid():
            connection = build_connection(self._client, "")
            self._own.connection, self._own.pid = connection, os.getpid()
            with self._lock:
                self._all.add(connection)
        try:
            connection.send_command(*command)
            return connection.read_response()
        except redis.exceptions.BusyLoadingError:
            raise  # the connection is fine; who asks again at once learns no more
        except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError):
            # READONLY: after a failover the address may lead to another server.
            connection.disconnect()
            return self._client.execute_command(*command)
        except redis.ResponseError:
            raise
        except BaseException:
            # An interruption between question and answer: the next call must not read this one's answer.
            connection.disconnect()
            raise

    def close(self) -> None:
        """Close the connections of all threads; the next call of one opens another."""
        with self._lock:
            connections = list(self._all)
        for connection in connections:
            connection.disconnect()


__all__ = ["Line"]
