"""Where Redis is: one server, a primary that Sentinel names, or a Cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SINGLE = ("redis", "rediss", "unix")
SENTINEL = ("redis+sentinel", "rediss+sentinel")
CLUSTER = ("redis+cluster", "rediss+cluster")
#: What a Redis URL may begin with.
SCHEMES = tuple(f"{scheme}://" for scheme in (*SINGLE, *SENTINEL, *CLUSTER))
_SENTINEL_PORT = 26379
_CLUSTER_PORT = 6379
_SENTINEL_LOGIN = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class Address:
    """What a ``redis+sentinel://`` or ``redis+cluster://`` URL says.

    Args:
        hosts: Sentinels, or some servers of the Cluster: host and port.
        tls: Whether the servers are spoken to by TLS.
        service: The primary's name at the Sentinels; empty for a Cluster.
        db: Number of the database; a Cluster has only 0.
        username: Login at the servers.
        password: Login at the servers.
        sentinel_login: Login at the Sentinels, as they need it.
        options: What else the URL asks for, such as ``ssl_ca_certs``; passed to each connection.
    """

    hosts: tuple[tuple[str, int], ...]
    tls: bool
    service: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_login: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)


def parse_address(url: str) -> Address | None:
    """Return what ``url`` says of Sentinels or a Cluster, or None if it leads to one server.

    Raises:
        ValueError: It can't be understood; the text says why.
    """
    parts = urlsplit(url)
    if parts.scheme not in (*SENTINEL, *CLUSTER):
        return None
    is_cluster = parts.scheme in CLUSTER
    given = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    db = given.pop("db", "0")
    service = unquote(parts.path.strip("/"))
    if is_cluster and (service or db != "0"):
        message = "a Cluster has neither a name nor databases; end the URL after the hosts"
        raise ValueError(message)
    if not is_cluster and not service:
        message = "the name of the primary at the Sentinels is missing; end the URL with /<name>"
        raise ValueError(message)
    if not db.isdecimal():
        message = f"db={db} isn't a number"
        raise ValueError(message)
    username, password = _login(parts)
    return Address(
        hosts=_hosts(parts.netloc.rpartition("@")[2], _CLUSTER_PORT if is_cluster else _SENTINEL_PORT),
        tls=parts.scheme.startswith("rediss"),
        service=service,
        db=int(db),
        username=username,
        password=password,
        sentinel_login={name.removeprefix("sentinel_"): given.pop(name) for name in _SENTINEL_LOGIN if name in given},
        options=given,
    )


def _login(parts: SplitResult) -> tuple[str | None, str | None]:
    login, at, _ = parts.netloc.rpartition("@")
    if not at:
        return None, None
    username, _, password = login.partition(":")
    return unquote(username) or None, unquote(password) or None


def _hosts(text: str, default_port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for part in filter(None, text.split(",")):
        # Brackets are for IPv6 addresses: [::1]:26379.
        host, colon, port = part.rpartition(":") if not part.endswith("]") else (part, "", "")
        name = host if colon else part
        if colon and not port.isdecimal():
            message = f"'{port}' isn't a port"
            raise ValueError(message)
        found.append((name.strip("[]"), int(port) if colon else default_port))
    if not found:
        message = "it names no host"
        raise ValueError(message)
    return tuple(found)
