"""URLs that HelperHub calls by itself: what can be one, decided without asking anybody."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

from helperhub.errors import UsageError

MAX_URL = 2000
_SECURE = {"http": False, "https": True}
_PRINTABLE = re.compile(r"[!-~]+")
#: Names as DNS has them, and underscores, which some inside have.
_NAME = re.compile(r"(?=.{1,253}\.?\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?\Z", re.ASCII)
#: What resolvers read as a number, such as 127.1, 0x7f.1 or 2130706433 (inet_aton(3)).
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?\Z", re.ASCII)
_HINT = "Give a URL such as https://shop.example.org/done, without user and password in it."


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """A URL in the parts that a request needs.

    Args:
        secure: Whether it is https.
        host: Its host in lower case, an IPv6 address without brackets.
        port: Its port.
        target: Path and query.
    """

    secure: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Return the URL without its query, which may be a secret: this goes into errors and lists."""
        path, question, _ = self.target.partition("?")
        return f"http{'s' if self.secure else ''}://{self.authority}{path}{'?...' if question else ''}"


def parse_callback_url(url: object) -> CallbackUrl:
    """Return the parts of a URL that may be called back; where its name leads is another question.

    Raises:
        UsageError: It can't be one.
    """
    if not isinstance(url, str) or not url:
        _refuse("is no URL")
    if len(url) > MAX_URL:
        _refuse(f"has {len(url)} characters, {MAX_URL} are allowed")
    # Parsers differ most over blanks, backslashes and what isn't ASCII.
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        _refuse("has blanks, backslashes or characters that aren't ASCII: write them as %XX, and names as xn--")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        _refuse(f"can't be understood: {error}")
    if parts.scheme not in _SECURE:
        _refuse("is neither http nor https")
    if "@" in parts.netloc:
        _refuse("holds a user or password")
    if port == 0:
        _refuse("has port 0")
    secure = _SECURE[parts.scheme]
    host = _read_host(parts.netloc, parts.hostname or "")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return CallbackUrl(secure, host, port or (443 if secure else 80), target)


def _read_host(netloc: str, host: str) -> str:
    if netloc.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host if "%" not in host else ""))
        except ValueError:
            _refuse("has no IPv6 address between its brackets")
    if not _NAME.fullmatch(host):
        _refuse("has no host, or one that is no name")
    if _NUMERIC.fullmatch(host.rpartition(".")[2] or host.rstrip(".").rpartition(".")[2]):
        # Else one resolver reads 0177.0.0.1 as 127.0.0.1 and another one as 177.0.0.1.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            _refuse("has an address that isn't written as four decimal numbers")
    return host.rstrip(".")


def _refuse(why: str) -> NoReturn:
    # Without the URL: it may hold a password.
    message = f"The callback {why}."
    raise UsageError(message, hint=_HINT)


__all__ = ["MAX_URL", "CallbackUrl", "parse_callback_url"]
