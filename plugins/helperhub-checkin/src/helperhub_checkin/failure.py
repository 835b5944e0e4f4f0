"""How a check fails, in one line that says what was asked and what came back."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta

import httpx

from helperhub import HelperHubError
from helperhub.model.duration import format_duration


class CheckFailed(HelperHubError):
    """The target isn't as it should be."""

    code = "check_failed"


class InvalidTarget(HelperHubError):
    """The payload describes no target; the same payload will not do better later."""

    code = "invalid_target"


def explain(error: BaseException, *, timeout: timedelta) -> str:
    """Return what ``error`` means, to be read after the target, such as ``refused``.

    Args:
        error: What a connection or a request raised; httpx keeps the cause behind its own error.
        timeout: How long the check may take, for the message.
    """
    cause = next((link for link in _chain(error) if isinstance(link, OSError | httpx.TimeoutException)), error)
    match cause:
        case ssl.SSLCertVerificationError():
            return f"certificate verify failed: {cause.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {(cause.reason or str(cause)).replace('_', ' ').lower()}"
        case ConnectionRefusedError():
            return "refused"
        case TimeoutError() | httpx.TimeoutException():
            return f"timed out after {format_duration(timeout)}"
        case socket.gaierror():
            return f"can't be resolved: {cause.strerror}"
        case _:
            return f"failed: {getattr(cause, 'strerror', None) or str(cause) or type(cause).__name__}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
