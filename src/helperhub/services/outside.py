"""POST to a URL that a stranger chose, without being turned against what stands inside.

The name is resolved once, every answer is checked, and the connection goes to a checked address: no
second look-up can lead elsewhere. Redirects are answers like any other, no proxy of the environment
is asked, and one deadline bounds it all, however slowly the other side speaks.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from helperhub.errors import HelperHubError
from helperhub.model.callback_url import CallbackUrl
from helperhub.services.outside_addresses import NOTHING_INSIDE, Address, Allowed, is_outside

#: Returns the addresses that a name has, and what `socket.socket.connect` takes for each.
Resolve = Callable[[str, int], Sequence[tuple[int, Any]]]


class TargetRefused(HelperHubError):
    """The target isn't outside; trying again changes nothing unless the operator allows it."""


class CallFailed(HelperHubError):
    """The target can't be reached, or didn't answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target answered.

    Args:
        status: The HTTP status.
        ms: How long it took.
        body: Its first bytes, as text.
    """

    status: int
    ms: int
    body: str


def look_up(host: str, port: int) -> list[tuple[int, Any]]:
    """Return the addresses of ``host`` as the system's resolver knows them, each with its family.

    Raises:
        OSError: It knows none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


@dataclass(frozen=True, slots=True)
class Outside:
    """Posts to targets outside.

    Args:
        allowed: Inside targets that are allowed as well.
        timeout: How long a call may take in all, with name look-up and the answer.
        max_answer: How much of the answer is kept, bytes; the rest isn't read.
        resolve: Looks names up.
        tls: Checks certificates; None means as the system does.
    """

    allowed: Allowed = NOTHING_INSIDE
    timeout: timedelta = timedelta(seconds=10)
    max_answer: int = 1024
    resolve: Resolve = look_up
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def post(self, url: CallbackUrl, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send ``body`` and return the answer, whatever its status.

        Raises:
            TargetRefused: The name leads inside.
            CallFailed: There was no answer in time.
        """
        begun = time.monotonic()
        deadline = begun + self.timeout.total_seconds()
        try:
            places = self._find(url, deadline)
            status, said = self._ask(url, places, body, headers, deadline)
        except TimeoutError as error:
            message = f"{url} didn't answer within {self.timeout.total_seconds():g} s."
            raise CallFailed(message) from error
        except (OSError, http.client.HTTPException) as error:
            message = f"{url} can't be called: {_describe(error)}."
            raise CallFailed(message) from error
        return Answer(status, round((time.monotonic() - begun) * 1000), said.decode(errors="replace"))

    def _find(self, url: CallbackUrl, deadline: float) -> Sequence[tuple[int, Any]]:
        """Return where to connect to: all that the name has, if all of it may be called."""
        places = _within(lambda: self.resolve(url.host, url.port), deadline)
        if not places:
            message = f"'{url.host}' has no address."
            raise CallFailed(message)
        if self.allowed.has_name(url.host):
            return places
        for _, place in places:
            if not self._may_call(place[0]):
                # One is enough to refuse: which of them would be tried first is for the other side to choose.
                message = f"{url} leads inside, to {place[0]}: it isn't called."
                hint = "If that is meant, add the name or network to HELPERHUB_CALLBACKS__ALLOW."
                raise TargetRefused(message, hint=hint)
        return places

    def _may_call(self, text: str) -> bool:
        try:
            address: Address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return is_outside(address) or self.allowed.has(address)

    def _ask(
        self,
        url: CallbackUrl,
        places: Sequence[tuple[int, Any]],
        body: bytes,
        headers: Mapping[str, str],
        deadline: float,
    ) -> tuple[int, bytes]:
        with _connect(places, deadline) as plain, self._wrap(plain, url, deadline) as connected:
            connection = http.client.HTTPConnection(url.host, url.port)
            connection.auto_open = 0
            connection.sock = _TimedSocket(connected, deadline)
            given = {"Host": url.authority, "Connection": "close", **headers}
            connection.request("POST", url.target, body, given)
            answer = connection.getresponse()
            return answer.status, self._read(answer)

    def _wrap(self, plain: socket.socket, url: CallbackUrl, deadline: float) -> socket.socket:
        if not url.secure:
            return plain
        plain.settimeout(_left(deadline))
        # The handshake goes by the socket's timeout as a whole, not message by message (CPython's _ssl.c).
        return (self.tls or ssl.create_default_context()).wrap_socket(plain, server_hostname=url.host)

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        kept = b""
        try:
            while len(kept) < self.max_answer and (more := answer.read1(self.max_answer - len(kept))):
                kept += more
        except (OSError, http.client.HTTPException):
            # The status has been said, and that is what counts; what comes too late, or breaks off, isn't kept.
            return kept
        return kept


class _TimedSocket:
    """A socket as `http.client` uses it, of which every wait ends at one deadline."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            self._socket.settimeout(_left(self._deadline))
            left = left[self._socket.send(left) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        return io.BufferedReader(_TimedReader(self._socket, self._deadline))

    def close(self) -> None:
        """Do nothing: whoever opened it closes it."""


class _TimedReader(io.RawIOBase):
    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(_left(self._deadline))
        return self._socket.recv_into(buffer)


def _connect(places: Sequence[tuple[int, Any]], deadline: float) -> socket.socket:
    """Return a connection to the first of ``places`` that takes one."""
    failed: OSError | None = None
    for family, place in places:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(_left(deadline))
            made.connect(place)
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed or TimeoutError


def _within(look: Callable[[], Sequence[tuple[int, Any]]], deadline: float) -> Sequence[tuple[int, Any]]:
    """Return what ``look`` returns, if it does so in time: the system's resolver can't be told how long it may take."""
    found: list[Sequence[tuple[int, Any]]] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(look())
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            failed.append(error)

    thread = threading.Thread(target=run, name="helperhub-look-up", daemon=True)
    thread.start()
    thread.join(_left(deadline))
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found[0]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _describe(error: Exception) -> str:
    # What a target says in place of HTTP ends here; it is somebody else's text.
    return f"{type(error).__name__}: {error}".replace("\r", " ").replace("\n", " ")[:300].rstrip(".")


__all__ = ["Answer", "CallFailed", "Outside", "Resolve", "TargetRefused", "look_up"]
