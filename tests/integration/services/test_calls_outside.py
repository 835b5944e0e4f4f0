"""Calls to real targets that do what they can to a caller."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import trustme
from tests.integration.services.targets import (
    continue_for_ever,
    drip_body,
    drip_head,
    go_on_for_ever,
    hang,
    target,
)

from helperhub.model.callback_url import parse_callback_url
from helperhub.services.outside import CallFailed, Outside, TargetRefused
from helperhub.services.outside_addresses import parse_allowed

LOOPBACK = parse_allowed(["127.0.0.1"])
SHORT = timedelta(seconds=0.4)


def leading_to(port: int) -> tuple[Callable[[str, int], list[tuple[int, Any]]], list[str]]:
    """Return a resolver by which every name is on loopback at ``port``, and the list of the names that it was asked."""
    asked: list[str] = []

    def resolve(host: str, asked_port: int) -> list[tuple[int, Any]]:
        del asked_port
        asked.append(host)
        return [(socket.AF_INET, ("127.0.0.1", port))]

    return resolve, asked


def test_call_is_a_post_to_the_name_with_what_was_given() -> None:
    with target(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok") as there:
        resolve, asked = leading_to(there.port)
        outside = Outside(LOOPBACK, resolve=resolve)

        answer = outside.post(parse_callback_url("http://shop.example.org:81/a?b=c"), b"{}", {"x-own": "1"})

    (request,) = there.requests
    assert (answer.status, answer.body) == (202, "ok")
    assert request.line == "POST /a?b=c HTTP/1.1"
    assert (request.headers["host"], request.headers["x-own"]) == ("shop.example.org:81", "1")
    assert request.body == b"{}"
    # Asked once: a second look-up could lead elsewhere.
    assert asked == ["shop.example.org"]


def test_loopback_is_refused_before_anything_is_sent() -> None:
    with target() as there, pytest.raises(TargetRefused, match="leads inside"):
        Outside().post(parse_callback_url(there.url), b"", {})

    assert there.requests == []


def test_name_that_leads_inside_is_refused_and_allowed_by_name() -> None:
    with target() as there:
        resolve, _ = leading_to(there.port)
        url = parse_callback_url("http://intra.example.org/")
        with pytest.raises(TargetRefused):
            Outside(parse_allowed(["example.org"]), resolve=resolve).post(url, b"", {})

        answer = Outside(parse_allowed(["intra.example.org"]), resolve=resolve).post(url, b"", {})

    assert answer.status == 204


def test_mapped_address_is_judged_as_what_it_carries() -> None:
    with target() as there:
        url = parse_callback_url(f"http://[::ffff:127.0.0.1]:{there.port}/")
        with pytest.raises(TargetRefused):
            Outside().post(url, b"", {})

        assert Outside(LOOPBACK).post(url, b"", {}).status == 204


@pytest.mark.parametrize("badly", [hang, drip_head, continue_for_ever])
def test_target_that_keeps_the_caller_waiting_is_left_at_the_time_limit(badly: Any) -> None:
    with target(badly) as there:
        begun = time.monotonic()
        with pytest.raises(CallFailed, match=r"within 0\.4 s"):
            Outside(LOOPBACK, SHORT).post(parse_callback_url(there.url), b"", {})

        assert time.monotonic() - begun < 2


def test_body_that_drips_is_cut_at_the_time_limit_and_its_status_counts() -> None:
    with target(drip_body) as there:
        begun = time.monotonic()
        answer = Outside(LOOPBACK, SHORT).post(parse_callback_url(there.url), b"", {})

        assert time.monotonic() - begun < 2
    assert answer.status == 200
    assert 0 < len(answer.body) < 50


def test_body_without_end_is_cut_at_its_size() -> None:
    with target(go_on_for_ever) as there:
        answer = Outside(LOOPBACK, max_answer=100).post(parse_callback_url(there.url), b"", {})

    assert (answer.status, answer.body) == (200, "x" * 100)


def test_redirect_is_an_answer_and_nobody_goes_there() -> None:
    with target() as inside, target(b"HTTP/1.1 307 Go\r\nLocation: %s\r\n\r\n" % inside.url.encode()) as there:
        answer = Outside(LOOPBACK).post(parse_callback_url(there.url), b"", {})

    assert answer.status == 307
    assert inside.requests == []


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200])
def test_what_doesnt_speak_http_is_a_failure(said: bytes) -> None:
    with target(said) as there, pytest.raises(CallFailed, match="can't be called"):
        Outside(LOOPBACK).post(parse_callback_url(there.url), b"", {})


def test_port_where_nobody_listens_is_a_failure() -> None:
    with target() as there:
        url = there.url

    with pytest.raises(CallFailed, match="can't be called"):
        Outside(LOOPBACK).post(parse_callback_url(url), b"", {})


def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with target() as proxy, target() as there:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        Outside(LOOPBACK).post(parse_callback_url(there.url), b"", {})

    assert (len(there.requests), proxy.requests) == (1, [])


def test_header_with_a_line_break_is_never_sent() -> None:
    with target() as there, pytest.raises(ValueError, match="Invalid header value"):
        Outside(LOOPBACK).post(parse_callback_url(there.url), b"", {"webhook-id": "a\r\nx-admin: 1"})


@pytest.mark.parametrize(("name", "fits"), [("shop.example.org", True), ("other.example.org", False)])
def test_certificate_is_checked_for_the_name_though_the_address_is_dialled(name: str, fits: bool) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(name).configure_cert(server)
    authority.configure_trust(client)
    with target(tls=server) as there:
        resolve, _ = leading_to(there.port)
        outside = Outside(LOOPBACK, resolve=resolve, tls=client)
        url = parse_callback_url("https://shop.example.org/")
        if fits:
            assert outside.post(url, b"", {}).status == 204
        else:
            with pytest.raises(CallFailed, match="certificate"):
                outside.post(url, b"", {})
