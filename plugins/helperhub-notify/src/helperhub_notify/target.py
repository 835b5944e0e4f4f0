"""One apprise URL as a way to tell people: what it is called, and what is sent to it."""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from helperhub import HelperHubError, Notifier

if TYPE_CHECKING:
    import apprise

_SCHEME = re.compile(r"([A-Za-z0-9]{1,20})://")
_PARTS = re.compile(r"[/:@?&=,\s]+")
#: Shorter parts of a URL, such as a port, stand in many a message and give nothing away.
_LEAST_SECRET = 5
_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


class NotSent(HelperHubError):
    """The service didn't take it."""

    code = "not_sent"


def build_notifier(url: str, *, second: bool) -> Notifier | None:
    """Return the way to tell that ``url`` stands for, or None if apprise can't use it.

    Its name is the URL's scheme and a digest: the same in every process, and nothing secret.
    """
    _listen()
    with warnings.catch_warnings():
        # It loads all its services at the first URL, one of which asks for a module that Python gives up.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise  # noqa: PLC0415 - half a second, for those only who have a target

        if apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
            return None
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    name = f"notify:{scheme_of(url)}-{digest}"

    def tell(event: Mapping[str, Any]) -> dict[str, Any]:
        return send(url, name, event)

    return Notifier(name, tell, second)


def scheme_of(url: str) -> str:
    """Return what kind of service a URL is of, such as ``mailto``."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else "unknown"


def send(url: str, name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Send an event to the service of ``url``.

    Raises:
        NotSent: It wasn't taken; the message says what apprise says, without what is secret in the URL.
    """
    import apprise  # noqa: PLC0415 - as above

    service = apprise.Apprise()
    service.add(url)
    data = event["data"]
    with _hearing() as heard:
        taken = service.notify(
            title=str(data["title"]),
            body=str(data["text"]),
            notify_type=_kind_of(event),
            body_format=apprise.NotifyFormat.TEXT,
        )
    if not taken:
        why = _redact("; ".join(heard), url) or "the service refused it"
        message = f"{name} didn't take it: {why[:500].rstrip('.')}."
        raise NotSent(message, hint="Check HELPERHUB_NOTIFY__TARGETS.")
    return {"sent": name}


def _kind_of(event: Mapping[str, Any]) -> apprise.NotifyType:
    import apprise  # noqa: PLC0415 - as above

    kind = str(event["type"]).rpartition(".")[2]
    if kind in ("resolved", "test"):
        return apprise.NotifyType.SUCCESS if kind == "resolved" else apprise.NotifyType.INFO
    critical = event["data"]["severity"] == "critical"
    return apprise.NotifyType.FAILURE if critical else apprise.NotifyType.WARNING


def _redact(text: str, url: str) -> str:
    for part in sorted({*_PARTS.split(url), *_PARTS.split(unquote(url))}, key=len, reverse=True):
        if len(part) >= _LEAST_SECRET:
            text = text.replace(part, "***")
    return text


class _Listener(logging.Filter):
    """Keeps what apprise says for whoever sends, and from every log: it names parts of the URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the record; a warning is what the sender gets to know."""
        texts = _heard.get()
        if texts is not None and record.levelno >= logging.WARNING:
            texts.append(record.getMessage())
        return False


_LISTENER = _Listener()


def _listen() -> None:
    """Keep URLs out of the logs of what they are used by."""
    logging.getLogger("apprise").addFilter(_LISTENER)  # adding it twice changes nothing
    pool = logging.getLogger("urllib3.connectionpool")
    # At debug it names each path that is posted to, and those hold tokens.
    pool.setLevel(max(pool.level, logging.INFO))


@contextmanager
def _hearing() -> Iterator[list[str]]:
    """Yield what apprise says of what is sent in the block; it takes the context along into its threads."""
    texts: list[str] = []
    token = _heard.set(texts)
    try:
        yield texts
    finally:
        _heard.reset(token)
