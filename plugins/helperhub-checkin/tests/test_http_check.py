"""The check of a URL: status, text, redirects, and what it says when it fails."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from helperhub import Context
from helperhub_checkin.failure import CheckFailed
from helperhub_checkin.plugin import checkin
from helperhub_checkin.settings import Settings


def check(target: dict[str, Any], settings: Settings | None = None) -> dict[str, Any]:
    result: dict[str, Any] = checkin(Context(settings=settings or Settings(), payload={"name": "site", **target}))
    return result


def test_good_page_answers_with_status_and_latency(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/health").respond_with_data("all fine")
    url = httpserver.url_for("/health")

    result = check({"url": url, "expect_text": "fine"})

    assert result.pop("latency_ms") > 0
    assert result == {"target": "site", "kind": "http", "status_code": 200, "url": url}


def test_unexpected_status_fails_with_both(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/health").respond_with_data("", status=503)
    url = httpserver.url_for("/health")

    with pytest.raises(CheckFailed) as caught:
        check({"url": url})

    assert str(caught.value) == f"site: GET {url} answered 503, expected 200-399"


@pytest.mark.parametrize("expected", [404, [200, 404], "400-499", "200,404"])
def test_expected_status_is_good_whatever_it_is(httpserver: HTTPServer, expected: object) -> None:
    httpserver.expect_request("/none").respond_with_data("", status=404)

    assert check({"url": httpserver.url_for("/none"), "expect_status": expected})["status_code"] == 404


def test_missing_text_fails_and_is_named(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("Service under maintenance")

    with pytest.raises(CheckFailed, match=r"answered 200, but without the text 'Welcome'$"):
        check({"url": httpserver.url_for("/"), "expect_text": "Welcome"})


@pytest.mark.parametrize("charset", ["iso-8859-1", "no-such-charset"])
def test_text_is_read_in_the_character_set_the_server_names(httpserver: HTTPServer, charset: str) -> None:
    text = "Grüße" if charset == "iso-8859-1" else "Gruesse"
    body = text.encode("iso-8859-1")
    httpserver.expect_request("/").respond_with_data(body, content_type=f"text/plain; charset={charset}")

    assert check({"url": httpserver.url_for("/"), "expect_text": text})["status_code"] == 200


def test_body_is_read_up_to_one_mebibyte(httpserver: HTTPServer) -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        for number in range(1024):
            sent.append(number)
            yield b"x" * 65_536

    httpserver.expect_request("/").respond_with_response(Response(endless()))

    with pytest.raises(CheckFailed, match="without the text 'Welcome' in its first MiB"):
        check({"url": httpserver.url_for("/"), "expect_text": "Welcome"})
    # What the sockets' buffers swallow is sent too; 64 MiB are far more.
    assert len(sent) < 1024


def test_head_asks_for_no_body(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/", method="HEAD").respond_with_data("")

    assert check({"url": httpserver.url_for("/"), "method": "HEAD"})["status_code"] == 200


def test_redirect_is_followed_and_the_result_names_where_to(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/old").respond_with_data("", status=302, headers={"Location": "/new?token=t"})
    httpserver.expect_request("/new").respond_with_data("here")

    assert check({"url": httpserver.url_for("/old"), "expect_text": "here"})["url"] == httpserver.url_for("/new")


def test_redirect_that_is_expected_by_its_number_is_not_followed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/old").respond_with_data("", status=301, headers={"Location": "/new"})

    assert check({"url": httpserver.url_for("/old"), "expect_status": 301})["status_code"] == 301


def test_failure_after_a_redirect_names_both_places(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/old").respond_with_data("", status=302, headers={"Location": "/login"})
    httpserver.expect_request("/login").respond_with_data("", status=502)

    with pytest.raises(CheckFailed, match=r"GET http://\S+/old answered 502 at http://\S+/login, expected 200-399"):
        check({"url": httpserver.url_for("/old")})


def test_redirects_in_a_circle_end(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "/a"})

    with pytest.raises(CheckFailed, match="more than 5 redirects"):
        check({"url": httpserver.url_for("/a")})

    assert len(httpserver.log) == 6


def test_headers_of_the_settings_are_sent_to_the_target_and_to_no_other_server(httpserver: HTTPServer) -> None:
    with HTTPServer(port=0) as other:
        other.expect_request("/").respond_with_data("")
        location = {"Location": other.url_for("/")}
        httpserver.expect_request("/", headers={"X-Key": "k"}).respond_with_data("", status=302, headers=location)
        entry = {"name": "site", "url": httpserver.url_for("/"), "headers": {"X-Key": "k"}}
        settings = Settings(targets=[entry])

        assert check({"url": httpserver.url_for("/")}, settings)["status_code"] == 200
        assert check({"url": other.url_for("/")}, settings)["status_code"] == 200

        assert [request.headers.get("X-Key") for request, _ in httpserver.log] == ["k"]
        assert [request.headers.get("X-Key") for request, _ in other.log] == [None, None]


def test_refused_connection_says_so(refusing_port: int) -> None:
    with pytest.raises(CheckFailed) as caught:
        check({"url": f"http://127.0.0.1:{refusing_port}/?token=t"})

    assert str(caught.value) == f"site: GET http://127.0.0.1:{refusing_port}/ refused"


def test_silence_times_out(silent_port: int) -> None:
    with pytest.raises(CheckFailed, match="timed out after 200ms"):
        check({"url": f"http://127.0.0.1:{silent_port}/", "timeout": "200ms"})


def test_body_that_trickles_times_out_as_a_whole() -> None:
    stop = threading.Event()

    def trickle() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not stop.wait(0.05):
                connection.send(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with pytest.raises(CheckFailed, match="timed out after 400ms"):
                check({"url": f"http://127.0.0.1:{server.getsockname()[1]}/", "timeout": "400ms"})
        finally:
            stop.set()
            thread.join()


def test_answer_that_is_not_http_says_so(serve_tls: Any, make_tls_context: Any) -> None:
    port = serve_tls(make_tls_context())

    with pytest.raises(CheckFailed, match=r"^site: GET http://localhost:\d+/ failed: "):
        check({"url": f"http://localhost:{port}/"})


def test_unknown_certificate_fails_unless_its_authority_is_given_or_verify_is_off(
    make_tls_context: Callable[..., ssl.SSLContext], ca_file: str
) -> None:
    with HTTPServer(host="localhost", port=0, ssl_context=make_tls_context()) as server:
        server.expect_request("/").respond_with_data("")
        url = server.url_for("/")

        with pytest.raises(CheckFailed, match=r"GET https://\S+ certificate verify failed: "):
            check({"url": url})
        assert check({"url": url, "ca_file": ca_file})["status_code"] == 200
        assert check({"url": url, "verify": False})["status_code"] == 200


def test_certificate_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CheckFailed, match=r"site: ca_file /none/ca\.pem can't be read: No such file"):
        check({"url": "https://localhost:1/", "ca_file": "/none/ca.pem"})
