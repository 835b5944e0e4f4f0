"""How a process reaches Redis: one client factory, and one translation of its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from helperhub.errors import ConfigurationError, StoreError, StoreForbidden, StoreRefused, StoreUnavailable

#: Answers that pass by themselves: a restart, a failover. redis-py cuts the code off where it has a class for it.
_TRANSIENT = ("LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "BUSY ", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED")
_TRANSIENT_CLASSES = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.MasterDownError,
)
_REFUSED = "OOM"
_LOGIN = "Redis refuses the login"
_DEED = "Redis forbids it"
#: What redis-py puts before an answer to a pipeline; it quotes the command, and so somebody's data.
_IN_PIPELINE = re.compile(r"^Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
SOCKET_TIMEOUT_S = 5.0
#: A `redis.Redis`. redis-py types every reply as a union of all shapes it may have; the readers know theirs.
Client = Any


def build_client(url: str, *, retries: int = 3) -> Client:
    """Return a client for ``url``; it connects on first use.

    Every script is idempotent by a token, so a call whose reply was lost is sent again here
    (redis-py's default differs between ``Redis()`` and ``from_url()``).

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        retries: How often one call is sent again after a lost connection or a time-out; 0 for
            callers with a loop of their own.

    Raises:
        ConfigurationError: ``url`` isn't such a URL.
    """
    tcp_only: dict[str, Any] = {"socket_keepalive": True} if url.startswith("redis") else {}
    try:
        return redis.Redis.from_url(
            url,
            **tcp_only,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            health_check_interval=30,
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries),
            # READONLY closes the connection too: after a failover the address may lead to another server.
            retry_on_error=[redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError],
        )
    except ValueError as error:
        message = f"The Redis URL can't be understood: {error}."
        raise ConfigurationError(message, hint="Write redis://host:6379/0, rediss://... or unix:///path.") from error


def node_of(client: Client, key: str) -> Client:
    """Return the client of the one server that holds ``key``; for what is asked of a server, not of a key."""
    del key
    return client


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate redis-py's errors into the store's.

    Raises:
        StoreUnavailable: Redis can't be reached, or isn't ready; the same call may work later.
        StoreRefused: Redis is out of memory, or can't persist.
        StoreForbidden: Redis doesn't let this user in, or not do this.
        StoreError: Any other answer; sending it again won't help.
    """
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError):
            raise _forbidden(_LOGIN, str(error)) from error
        message = f"Redis can't be reached: {error}."
        raise StoreUnavailable(message, hint="Check that it runs, and HELPERHUB_REDIS_URL.") from error
    except redis.ResponseError as error:
        raise _from_answer(error, _IN_PIPELINE.sub("", str(error))) from error
    except redis.RedisError as error:
        message = f"Redis failed: {error}"
        raise StoreError(message) from error


def _from_answer(error: redis.ResponseError, text: str) -> StoreError:
    if text.startswith("MISCONF"):
        hint = "It can't write its data to disk: free space there, and look into its log."
        return StoreRefused(f"Redis refuses to write: {text}", hint=hint)
    if text.startswith(_REFUSED) or isinstance(error, redis.exceptions.OutOfMemoryError):
        hint = "Let workers drain the queues, clear dead letters, or raise maxmemory."
        return StoreRefused(f"Redis is out of memory: {text}", hint=hint)
    if text.startswith(_TRANSIENT) or isinstance(error, _TRANSIENT_CLASSES):
        return StoreUnavailable(f"Redis isn't ready: {text}")
    if isinstance(error, redis.exceptions.NoPermissionError) or "ACL failure in script" in text:
        return _forbidden(_DEED, text)
    if isinstance(error, redis.exceptions.AuthenticationWrongNumberOfArgsError):
        return _forbidden(_LOGIN, text)
    return StoreError(f"Redis answered with an error: {text}")


def _forbidden(what: str, why: str) -> StoreForbidden:
    hint = "Check user and password in HELPERHUB_REDIS_URL, and what its ACL lets that user do."
    return StoreForbidden(f"{what}: {why.rstrip('.')}.", hint=hint)
