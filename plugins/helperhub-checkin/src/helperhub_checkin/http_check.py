"""The check of a URL: status and text, with redirects and body bounded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from helperhub_checkin import __version__
from helperhub_checkin.address import origin, show_url
from helperhub_checkin.failure import CheckFailed, explain
from helperhub_checkin.status import holds, names
from helperhub_checkin.target import Target
from helperhub_checkin.trust import build_tls_context

MAX_REDIRECTS = 5
MAX_BODY_BYTES = 1024 * 1024
# No compression: a small answer could otherwise unpack to any size.
_HEADERS = {"User-Agent": f"helperhub-checkin/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class _Answer:
    status_code: int
    url: httpx.URL
    body: bytes
    encoding: str


def check_http(target: Target, headers: Mapping[str, str]) -> dict[str, Any]:
    """Ask for the target's URL and return what answered.

    Args:
        target: An ``http`` target.
        headers: Sent with the request, but to no other server than the target's.

    Raises:
        CheckFailed: No answer, another status than expected, or a body without the expected text.
    """
    context = build_tls_context(target)
    subject = f"{target.name}: {target.description}"
    started = time.perf_counter()
    try:
        with httpx.Client(verify=context, headers=_HEADERS) as client:
            answer = _ask(client, target, headers, deadline=started + target.timeout.total_seconds())
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        message = f"{subject} {explain(error, timeout=target.timeout)}"
        raise CheckFailed(message) from error
    latency_ms = round((time.perf_counter() - started) * 1000, 1)
    _judge(answer, target, subject)
    return {"latency_ms": latency_ms, "status_code": answer.status_code, "url": show_url(answer.url)}


def _ask(client: httpx.Client, target: Target, headers: Mapping[str, str], *, deadline: float) -> _Answer:
    request = client.build_request(target.method, target.url or "", headers=headers)
    for _ in range(MAX_REDIRECTS + 1):
        request.extensions = {**request.extensions, "timeout": httpx.Timeout(_time_left(deadline)).as_dict()}
        response = client.send(request, stream=True)
        try:
            following = response.next_request
            if following is None or names(target.expect_status, response.status_code):
                body = _read_body(response, deadline)
                return _Answer(response.status_code, response.url, body, response.charset_encoding or "utf-8")
        finally:
            response.close()
        if origin(following.url) != origin(request.url):
            # httpx drops Authorization only; other headers hold secrets too.
            for name in headers:
                following.headers.pop(name, None)
        request = following
    message = f"more than {MAX_REDIRECTS} redirects"
    raise httpx.TooManyRedirects(message)


def _read_body(response: httpx.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) >= MAX_BODY_BYTES:
            break
        # A server that sends a little at a time never trips the timeout of a single read.
        _time_left(deadline)
    return bytes(body[:MAX_BODY_BYTES])


def _time_left(deadline: float) -> float:
    left = deadline - time.perf_counter()
    if left <= 0:
        raise TimeoutError
    return left


def _judge(answer: _Answer, target: Target, subject: str) -> None:
    shown = show_url(answer.url)
    where = "" if target.description == f"{target.method} {shown}" else f" at {shown}"
    if not holds(target.expect_status, answer.status_code):
        message = f"{subject} answered {answer.status_code}{where}, expected {target.expect_status}"
        raise CheckFailed(message)
    if target.expect_text is not None and target.expect_text not in _decode(answer):
        within = " in its first MiB" if len(answer.body) == MAX_BODY_BYTES else ""
        message = f"{subject} answered {answer.status_code}{where}, but without the text '{target.expect_text}'{within}"
        raise CheckFailed(message)


def _decode(answer: _Answer) -> str:
    try:
        return answer.body.decode(answer.encoding, errors="replace")
    except LookupError:
        # The server names a character set that doesn't exist.
        return answer.body.decode("utf-8", errors="replace")
