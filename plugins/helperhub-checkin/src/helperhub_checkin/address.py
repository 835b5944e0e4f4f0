"""Addresses as people write them: ``host:port``, ``[::1]:443``, or a URL."""

from __future__ import annotations

import re
from typing import Any

import httpx

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:/@\[\]]+))(?::(?P<port>\d{1,5}))?")


def parse_address(text: str, *, default_port: int | None = None) -> tuple[str, int]:
    """Return host and port.

    Args:
        text: ``host:port``; an IPv6 address stands in brackets.
        default_port: Stands in for a missing port; None requires one.

    Raises:
        ValueError: ``text`` isn't an address, or has no port where one is required.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        message = f"'{text}' is not an address; write host:port, or [::1]:port for IPv6"
        raise ValueError(message)
    port = int(found["port"]) if found["port"] else default_port
    if port is None:
        message = f"'{text}' names no port; write '{text}:5432' or the like"
        raise ValueError(message)
    if not 0 < port < 65_536:
        message = f"port {port} of '{text}' is out of range; take 1 to 65535"
        raise ValueError(message)
    return found["six"] or found["host"], port


def parse_url(text: str) -> httpx.URL:
    """Return the URL.

    Raises:
        ValueError: It isn't an http or https URL with a host, or holds a password.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        message = f"'{text}' is not a URL: {error}"
        raise ValueError(message) from error
    if url.userinfo:
        # Not quoted: the URL is shown in many places, and so would the message be.
        message = "a URL must not hold a user or password; put an Authorization header into 'headers'"
        raise ValueError(message)
    if url.scheme not in {"http", "https"} or not url.host:
        message = f"'{text}' is not a URL; write http://host/path or https://host/path"
        raise ValueError(message)
    return url


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return what two URLs share when they lead to the same server (RFC 6454)."""
    return url.scheme, url.host, url.port


def show_url(url: httpx.URL) -> str:
    """Return ``url`` for messages and results: no password and no query, which may hold a token."""
    return str(url.copy_with(username=None, password=None, query=None, fragment=None))


def show_peer(name: Any) -> str:
    """Return a socket's peer name as ``address:port``."""
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
