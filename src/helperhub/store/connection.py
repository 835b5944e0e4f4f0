"""How a process reaches Redis: one client factory, and one translation of its errors."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

from helperhub.errors import (
    ConfigurationError,
    NewerSchema,
    StoreError,
    StoreForbidden,
    StoreRefused,
    StoreUnavailable,
)
from helperhub.store.address import Address, parse_address

T = TypeVar("T")

#: Answers that pass by themselves: a restart, a failover. redis-py cuts the code off where it has a class for it.
_TRANSIENT = ("LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "BUSY ", "MASTERDOWN", "NOREPLICAS", "UNBLOCKED")
_TRANSIENT_CLASSES = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.MasterDownError,
)
_REFUSED = "OOM"
#: What scripts answer whose release is too old (`lua/prelude.lua`): the schema that is written, and the one they know.
_NEWER_SCHEMA = re.compile(r"NEWERSCHEMA (\d+) is above (\d+)")
_ELSEWHERE = redis.exceptions.AskError  # and MOVED, its subclass
_LOGIN = "Redis refuses the login"
_DEED = "Redis forbids it"
#: What redis-py puts before an answer to a pipeline; it quotes the command, and so somebody's data.
_IN_PIPELINE = re.compile(r"^Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
SOCKET_TIMEOUT_S = 5.0
_SENTINEL_TIMEOUT_S = 1.0
#: A `redis.Redis`. redis-py types every reply as a union of all shapes it may have; the readers know theirs.
Client = Any
_CERTIFICATE = (
    "Name the file of the authority that signed its certificate in HELPERHUB_REDIS_URL, "
    "as ?ssl_ca_certs=/path/ca.pem, and the host as the certificate does."
)


def build_client(url: str, *, retries: int = 3) -> Client:
    """Return a client for ``url``; it connects on first use.

    Every script is idempotent by a token, so a call whose reply was lost is sent again here
    (redis-py's default differs between ``Redis()`` and ``from_url()``).

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``; ``redis+sentinel://host,host/name`` or
            ``redis+cluster://host,host``, or these with ``rediss``.
        retries: How often one call is sent again after a lost connection or a time-out; 0 for
            callers with a loop of their own.

    Raises:
        ConfigurationError: ``url`` isn't such a URL.
    """
    tcp_only: dict[str, Any] = {"socket_keepalive": True} if url.startswith("redis") else {}
    options: dict[str, Any] = {
        **tcp_only,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
        "health_check_interval": 30,
    }
    retry = Retry(ExponentialBackoff(cap=1.0, base=0.05), retries)
    try:
        address = parse_address(url)
        if address is not None and not address.service:
            return _LazyCluster(lambda: _build_cluster(address, retry, options))
        options |= {
            "retry": retry,
            # READONLY closes the connection too: after a failover the address may lead to another server.
            "retry_on_error": [redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError],
        }
        return redis.Redis.from_url(url, **options) if address is None else _follow_sentinel(address, options)
    except ValueError as error:
        message = f"The Redis URL can't be understood: {error}."
        hint = "Write redis://host:6379/0, rediss://..., unix:///path, redis+sentinel://... or redis+cluster://..."
        raise ConfigurationError(message, hint=hint) from error


def hurry(client: Client, timeout_s: float) -> None:
    """Let connections that ``client`` makes from now on wait less and send nothing again.

    For who has another way while Redis hangs; it closes what is idle. A Cluster's client stays as it is.
    """
    if isinstance(client, _LazyCluster):
        return
    pool = client.connection_pool
    retry = Retry(ExponentialBackoff(cap=1.0, base=0.05), 0)
    pool.connection_kwargs.update(socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=retry)
    pool.disconnect(inuse_connections=False)
    pool.reset()


def _follow_sentinel(address: Address, options: Mapping[str, Any]) -> redis.Redis:
    # One that is down must not hold up the question for long: the others know as well.
    asked = {"socket_timeout": _SENTINEL_TIMEOUT_S, "socket_connect_timeout": _SENTINEL_TIMEOUT_S}
    tls: dict[str, Any] = {"ssl": True} if address.tls else {}
    sentinel = Sentinel(
        address.hosts,
        sentinel_kwargs={**asked, **tls, **_tls_options(address), **address.sentinel_login},
        **tls,
        **_login_of(address),
        db=address.db,
        **options,
    )
    found: redis.Redis = sentinel.master_for(address.service)
    return found


def _build_cluster(address: Address, retry: Retry, options: Mapping[str, Any]) -> redis.RedisCluster:
    return redis.RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
        # A primary that is down must cost the other shards nothing.
        require_full_coverage=False,
        retry=retry,
        ssl=address.tls,
        **_login_of(address),
        **options,
    )


def _login_of(address: Address) -> dict[str, Any]:
    return {"username": address.username, "password": address.password, **_tls_options(address)}


def _tls_options(address: Address) -> dict[str, Any]:
    switches = {"true": True, "false": False}
    return {name: switches.get(value.lower(), value) for name, value in address.options.items()}


class _LazyCluster:
    """A `redis.RedisCluster` that is made, and connects, on first use as a `redis.Redis` does."""

    def __init__(self, build: Callable[[], redis.RedisCluster]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._made: redis.RedisCluster | None = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._build()
            return getattr(self._made, name)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()


def on_node(client: Client, key: str, act: Callable[[Client], T]) -> T:
    """Return what ``act`` returns for the one server that holds ``key``.

    For what is asked of a server and not of a key, such as INFO, or of one connection, such as WAIT.
    """
    if not isinstance(client, _LazyCluster):
        return act(client)
    try:
        return act(client.get_node_from_key(key).redis_connection)
    except (redis.exceptions.MovedError, redis.ConnectionError):
        client.nodes_manager.initialize()  # it may have moved
        return act(client.get_node_from_key(key).redis_connection)


def build_connection(client: Client, key: str) -> Any:
    """Return a connection of one's own to the server that holds ``key``; it connects on first use.

    It isn't the pool's: that counts what it has made, and refuses from the hundredth on.

    Raises:
        redis.RedisError: It isn't known which server of a Cluster that is.
    """

    def build(server: Client) -> Any:
        pool = server.connection_pool
        return pool.connection_class(**pool.connection_kwargs)

    return on_node(client, key, build)


def is_cluster(client: Client) -> bool:
    """Return whether it is a Cluster's, which finds the server of each command by itself."""
    return isinstance(client, _LazyCluster)


def find_servers_anew(client: Client) -> None:
    """Note that a key may be with another server of a Cluster by now."""
    if isinstance(client, _LazyCluster):
        with suppress(redis.RedisError):  # whoever asks next is told
            client.nodes_manager.initialize()


def place_of(client: Client, key: str) -> str:
    """Return the address of the server of a Cluster that holds ``key``; empty where there is one server."""
    if not isinstance(client, _LazyCluster):
        return ""
    with store_errors():
        return str(client.get_node_from_key(key).name)


def primaries(client: Client) -> dict[str, Client]:
    """Return every server that takes writes, by address; empty for the only one's address."""
    if not isinstance(client, _LazyCluster):
        return {"": client}
    return {node.name: node.redis_connection for node in client.get_primaries()}


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate redis-py's errors into the store's.

    Raises:
        StoreUnavailable: Redis can't be reached, or isn't ready; the same call may work later.
        StoreRefused: Redis is out of memory, or can't persist.
        StoreForbidden: Redis doesn't let this user in, or not do this.
        NewerSchema: The hub's keys belong to a newer release.
        StoreError: Any other answer; sending it again won't help.
    """
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError):
            raise _forbidden(_LOGIN, str(error)) from error
        message = f"Redis can't be reached: {str(error).rstrip('.')}."
        hint = (
            _CERTIFICATE if "CERTIFICATE_VERIFY_FAILED" in message else "Check that it runs, and HELPERHUB_REDIS_URL."
        )
        raise StoreUnavailable(message, hint=hint) from error
    except redis.ResponseError as error:
        raise _from_answer(error, _IN_PIPELINE.sub("", str(error))) from error
    except redis.exceptions.RedisClusterException as error:
        message = f"The Redis Cluster can't be reached: {error}"
        raise StoreUnavailable(message, hint="Check that it runs, and HELPERHUB_REDIS_URL.") from error
    except redis.RedisError as error:
        message = f"Redis failed: {error}"
        raise StoreError(message) from error


def _from_answer(error: redis.ResponseError, text: str) -> StoreError:
    newer = _NEWER_SCHEMA.match(text)
    if newer is not None:
        message = f"The hub's keys have schema {newer[1]}, and this release knows {newer[2]}."
        return NewerSchema(message, hint="Install the release that the hub's other processes run.")
    if text.startswith("MISCONF"):
        hint = "It can't write its data to disk: free space there, and look into its log."
        return StoreRefused(f"Redis refuses to write: {text}", hint=hint)
    if text.startswith(_REFUSED) or isinstance(error, redis.exceptions.OutOfMemoryError):
        hint = "Let workers drain the queues, clear dead letters, or raise maxmemory."
        return StoreRefused(f"Redis is out of memory: {text}", hint=hint)
    if text.startswith(_TRANSIENT) or isinstance(error, _TRANSIENT_CLASSES):
        return StoreUnavailable(f"Redis isn't ready: {text}")
    login = isinstance(error, redis.exceptions.AuthenticationWrongNumberOfArgsError)
    if login or isinstance(error, redis.exceptions.NoPermissionError) or "ACL failure in script" in text:
        return _forbidden(_LOGIN if login else _DEED, text)
    hint = "This server is part of a Cluster: write redis+cluster://." if isinstance(error, _ELSEWHERE) else ""
    return StoreError(f"Redis answered with an error: {text}", hint=hint)


def _forbidden(what: str, why: str) -> StoreForbidden:
    hint = "Check user and password in HELPERHUB_REDIS_URL, and the user's rules: 'helperhub doctor --acl' prints them."
    return StoreForbidden(f"{what}: {why.rstrip('.')}.", hint=hint)
