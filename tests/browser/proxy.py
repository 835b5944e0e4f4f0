"""A reverse proxy on loopback that serves a hub under a path, as nginx with a trailing slash does."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OF_THIS_HOP = {"connection", "keep-alive", "transfer-encoding"}


@contextmanager
def proxied(url: str, prefix: str) -> Iterator[str]:
    """Yield where ``url`` is served under ``prefix``; all other paths aren't there."""
    kind = type("_Proxy", (_Forwards,), {"address": urlsplit(url).netloc, "prefix": prefix})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="proxy", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    finally:
        server.shutdown()
        server.server_close()


class _Forwards(BaseHTTPRequestHandler):
    address: str
    prefix: str

    def do_GET(self) -> None:
        """Forward; an answer without end is handed on as it comes."""
        if not self.path.startswith(f"{self.prefix}/"):
            self.send_error(404, "not under the prefix")
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        there = http.client.HTTPConnection(self.address, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THIS_HOP}
        there.request(self.command, self.path.removeprefix(self.prefix), body or None, headers)
        answer = there.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_THIS_HOP:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while part := answer.read1(65536):
                self.wfile.write(part)
                self.wfile.flush()
        except OSError:  # the browser has gone elsewhere, or the hub has stopped
            self.close_connection = True
        finally:
            there.close()

    def do_POST(self) -> None:
        """Forward."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""
