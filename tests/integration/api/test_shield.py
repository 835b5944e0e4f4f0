"""What no request passes: wrong hosts, bodies too large, heads and bodies that don't arrive."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from tests.integration.api.conftest import Api, Serve

CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
QUICK = {"HELPERHUB_WEB__PATIENCE": "300ms"}


def connect(api: Api) -> socket.socket:
    parts = urlsplit(api.url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=10)


def read_all(line: socket.socket) -> bytes:
    found = b""
    while part := line.recv(65536):
        found += part
    return found


def test_request_for_another_host_is_refused(api: Api) -> None:
    answer = api.showing().get("/healthz", headers={"Host": "evil.example"})

    assert answer.status_code == 421
    assert answer.json()["code"] == "wrong_host"


def test_host_that_is_allowed_is_answered(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__ALLOWED_HOSTS": "hub.example"})

    assert api.showing().get("/healthz", headers={"Host": "HUB.example:443"}).status_code == 200


def test_answers_are_marked_for_browsers(api: Api) -> None:
    for path in ("/healthz", "/not-there", "/api/v1/helpers"):
        headers = api.showing().get(path).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == CSP
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_body_that_is_too_large_is_refused_whether_or_not_it_says_so(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__MAX_BODY": "2048"})

    declared = api.client.post("/api/v1/helpers/echo/run", content=b"x" * 3000)
    chunked = api.client.post("/api/v1/helpers/echo/run", content=iter([b"x" * 1500, b"x" * 1500]))

    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert "2048 bytes" in declared.json()["detail"]


def test_body_that_doesnt_arrive_is_given_up(serve: Serve) -> None:
    api = serve(settings=QUICK)
    with connect(api) as line:
        line.sendall(b"POST /api/v1/helpers/echo/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")

        assert read_all(line).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("head", [b"", b"GET /healthz HTTP/1.1\r\nHost: loc"])
def test_connection_whose_head_doesnt_arrive_is_closed(serve: Serve, head: bytes) -> None:
    api = serve(settings=QUICK)
    with connect(api) as line:
        line.sendall(head)

        assert read_all(line) == b""


def test_slow_clients_keep_nobody_else_from_being_answered(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__PATIENCE": "5s"})
    lines = [connect(api) for _ in range(100)]
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            for line in lines:
                line.send(b"a")

    for line in lines:
        line.sendall(b"POST /api/v1/helpers/echo/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n")
    dripping = threading.Thread(target=drip)
    dripping.start()
    began = time.monotonic()
    statuses = [api.client.get("/api/v1/helpers").status_code for _ in range(20)]
    took = time.monotonic() - began
    stop.set()
    dripping.join()
    for line in lines:
        line.close()

    assert statuses == [200] * 20
    assert took < 5, "they were answered before the slow ones were given up"


def test_more_connections_than_are_served_are_told_so(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__MAX_CONNECTIONS": "5"})
    lines = [connect(api) for _ in range(5)]
    deadline = time.monotonic() + 10
    status = 200
    while status != 503 and time.monotonic() < deadline:
        status = api.showing().get("/healthz").status_code
    for line in lines:
        line.close()

    assert status == 503


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b'"text"', 422),
        (b'{"priority": 9}', 422),
        (b'{"unheard": 1}', 422),
        (b'{"delay": "5"}', 400),
        (b'{"at": "tomorrow"}', 400),
        (b'{"id": "with blank"}', 400),
        (b"\xff\xfe", 422),
        (b'{"payload": ' + b"[" * 5000 + b"]" * 5000 + b"}", 422),
    ],
)
def test_bad_body_is_answered_with_what_is_wrong(api: Api, body: bytes, status: int) -> None:
    answer = api.client.post("/api/v1/helpers/echo/run", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_unknown_path_and_method_are_problems(api: Api) -> None:
    assert api.client.get("/nowhere").json()["code"] == "not_found"
    assert api.client.delete("/healthz").json()["code"] == "method_not_allowed"
