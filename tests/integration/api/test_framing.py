"""Requests that two readers may take apart differently: refused, and nothing behind them is answered as another."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from tests.integration.api.conftest import Api, Serve
from tests.integration.api.test_shield import CSP, connect, read_all

HOST = b"Host: localhost\r\n"
RUN = b"POST /api/v1/helpers/echo/run HTTP/1.1\r\n"
CLOSE = b"Connection: close\r\n"
HIDDEN = b"GET /healthz HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"


def answers(api: Api, sent: bytes) -> list[int]:
    with connect(api) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        found = read_all(line)
    return [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: \xb2\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
    ],
)
def test_request_whose_length_is_in_doubt_is_refused_and_its_connection_closed(api: Api, head: bytes) -> None:
    assert answers(api, RUN + HOST + head + b"\r\n0\r\n\r\n" + HIDDEN) == [400]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Host: localhost\r\nHost: evil.example\r\n", 400),
        (b"", 400),
        (b"Host: localhost\r\nX-Note: a\0b\r\n", 400),
        (b"Host: localhost\r\nX No: a\r\n", 400),
        (b"Host: localhost:evil@example\r\n", 421),
        (b"Host: localhost, evil.example\r\n", 421),
        (b"Host: [::1]evil.example\r\n", 421),
        (b"Host: localhost:80:80\r\n", 421),
        (b"Host: \r\n", 421),
    ],
)
def test_request_whose_host_or_head_is_in_doubt_is_refused(api: Api, head: bytes, status: int) -> None:
    assert answers(api, b"GET /healthz HTTP/1.1\r\n" + head + CLOSE + b"\r\n") == [status]


def test_address_in_a_request_line_doesnt_go_before_the_host(api: Api) -> None:
    assert answers(api, b"GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\n" + CLOSE + b"\r\n") == [421]


def test_head_that_is_too_large_is_refused(api: Api) -> None:
    many = b"".join(b"X-%d: a\r\n" % number for number in range(10_000))

    # In one piece, h11 takes it: its limit is for what isn't complete.
    assert answers(api, b"GET /healthz HTTP/1.1\r\n" + HOST + many + b"\r\n") == [431]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PATCH", "BREW"])
def test_method_that_a_route_doesnt_name_is_refused(api: Api, method: str) -> None:
    request = method.encode() + b" /api/v1/helpers HTTP/1.1\r\n" + HOST + b"Origin: https://evil.example\r\n" + CLOSE

    assert answers(api, request + b"\r\n") == [405]


@pytest.mark.parametrize(
    "path", ["/api/v1/keys/", "//api/v1/keys", "/api/v1/x/../keys", "/api/v1/helpers/../keys", "/API/v1/keys"]
)
def test_no_other_spelling_of_a_path_leads_to_a_route_or_to_another_place(api: Api, path: str) -> None:
    # Once, a slash at the end was answered with a redirect to whatever Host said, by http.
    with connect(api) as line:
        key = api.client.headers["Authorization"].encode()
        line.sendall(f"GET {path} HTTP/1.1\r\n".encode() + HOST + CLOSE + b"Authorization: " + key + b"\r\n\r\n")
        found = read_all(line)

    assert found.startswith(b"HTTP/1.1 404 ")
    assert b"location:" not in found.lower()


def test_answer_that_isnt_read_is_given_up(serve: Serve) -> None:
    # Once, whoever asked for much and read nothing kept a connection, and what waited for it, for ever.
    api = serve(settings={"HELPERHUB_WEB__PATIENCE": "300ms"})
    for _ in range(100):
        api.hub.audit.note("test.fill", "x", after="x" * 100_000)
    key = api.client.headers["Authorization"].encode()

    with connect(api) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(b"GET /api/v1/audit/export HTTP/1.1\r\n" + HOST + b"Authorization: " + key + b"\r\n\r\n")
        deadline = time.monotonic() + 10
        while not is_held(api) and time.monotonic() < deadline:
            api.showing().get("/healthz")  # the server goes on meanwhile
        assert is_held(api)
        while is_held(api) and time.monotonic() < deadline:
            api.showing().get("/healthz")

        assert not is_held(api)


def is_held(api: Api) -> bool:
    """Return whether the server has bytes that nobody takes."""
    port = f":{int(api.url.rpartition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(port) and not row[4].startswith("00000000") for row in rows)


def test_answer_that_is_read_slowly_comes_whole(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__PATIENCE": "1s"})
    for _ in range(100):
        api.hub.audit.note("test.fill", "x", after="x" * 100_000)

    with api.client.stream("GET", "/api/v1/audit/export") as answer:
        lines = sum(1 for _ in answer.iter_lines())

    assert lines >= 100


def test_policy_for_browsers_leaves_nothing_to_its_default(api: Api) -> None:
    assert {part.split()[0] for part in CSP.split("; ")} >= {"default-src", "base-uri", "frame-ancestors"}
    assert api.showing().get("/healthz").headers["content-security-policy"] == CSP
