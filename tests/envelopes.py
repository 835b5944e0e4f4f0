"""What a Sentry project would get: envelopes that arrived at a server in this process."""

from __future__ import annotations

import gzip
import json
from typing import Any

from pytest_httpserver import HTTPServer


def received(httpserver: HTTPServer, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the payload of every envelope that has arrived, in order.

    Args:
        httpserver: The sink.
        kind: Only of this type, such as ``check_in``; None means any.
    """
    found = []
    for request, _ in list(httpserver.log):
        body = request.get_data()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.splitlines()
        if kind is None or json.loads(lines[1])["type"] == kind:
            found.append(json.loads(lines[2]))
    return found
