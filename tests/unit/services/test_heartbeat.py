"""A heartbeat goes to the operator's URL, says when something isn't well, and keeps the URL to itself."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from helperhub.services.heartbeat import Heartbeat, HeartbeatMissed


@pytest.fixture
def outside() -> Iterator[tuple[str, list[str]]]:
    """A service: where it is, and what it was asked for."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404 if "unknown" in self.path else 200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            del args

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join(10)


def build(url: str, ailment: str = "", *, fail: str = "/fail") -> Heartbeat:
    return Heartbeat(url, fail, timedelta(seconds=1), lambda: ailment)


@pytest.mark.parametrize(
    ("path", "ailment", "fail", "asked"),
    [
        ("/ping/1", "", "/fail", ["/ping/1"]),
        ("/ping/1", "no worker", "/fail", ["/ping/1/fail"]),
        ("/ping/1/", "no worker", "/fail", ["/ping/1/fail"]),
        ("/push?token=x", "no worker", "/fail", ["/push/fail?token=x"]),
        ("/ping/1", "no worker", "", []),
    ],
)
def test_beat_asks_for_the_url_or_for_what_says_that_something_is_wrong(
    outside: tuple[str, list[str]], path: str, ailment: str, fail: str, asked: list[str]
) -> None:
    build(outside[0] + path, ailment, fail=fail).beat()

    assert outside[1] == asked


def test_beat_that_is_refused_or_not_heard_is_an_error_without_the_url(
    outside: tuple[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/secret"
    beats: list[Any] = [build(f"{outside[0]}/unknown/secret"), build(nobody)]

    for beat in beats:
        with pytest.raises(HeartbeatMissed) as caught:
            beat.beat()
        assert "secret" not in str(caught.value) + repr(beat) + caplog.text


def test_service_that_hangs_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"

        with pytest.raises(HeartbeatMissed, match="out"):
            build(url).beat()
