"""Sentry: one event for each execution that was given up, and nothing of what it was given.

Beside it only what `check_ins` puts together is sent: no attempts that are retried, no log records, no crashes of
other threads.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from helperhub.errors import ConfigurationError
from helperhub.trust.redaction import redact_text

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_SHUTDOWN_TIMEOUT_S = 2
_TAGS = ("helper", "instance", "queue", "attempt", "delivery")
_PLUGIN_TAGS = ("plugin", "plugin_version")
_KEPT_TAGS = frozenset({*_TAGS, *_PLUGIN_TAGS, "execution_id"})
#: All that leaves this machine; whatever else the SDK or a plugin adds to an event stays here.
_KEPT = frozenset(
    {
        "environment",
        "event_id",
        "exception",
        "fingerprint",
        "level",
        "logentry",
        "platform",
        "release",
        "sdk",
        "server_name",
        "tags",
        "timestamp",
    }
)


def start_sentry(dsn: str, *, release: str, environment: str) -> None:
    """Send what `report_given_up` is told to the project of ``dsn`` from now on.

    Args:
        dsn: The project's URL with its key; an empty one starts nothing.
        release: What Sentry calls this version, such as ``helperhub@1.2.0``.
        environment: What Sentry calls this installation.

    Raises:
        ConfigurationError: ``dsn`` isn't one.
    """
    if not dsn:
        return
    import sentry_sdk  # noqa: PLC0415 - costs 0.2 s, and most hubs have no Sentry
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415
    from sentry_sdk.utils import BadDsn  # noqa: PLC0415

    try:
        sentry_sdk.init(
            dsn,
            release=release,
            environment=environment,
            # Others would send each failed attempt (Dramatiq), the command line (argv), the packages.
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                # No events from error records, which would double ours, and no breadcrumbs from the others.
                LoggingIntegration(level=None, event_level=None, sentry_logs_level=None),
                AtexitIntegration(callback=_say_nothing),
            ],
            include_local_variables=False,
            max_breadcrumbs=0,
            max_request_body_size="never",
            auto_session_tracking=False,
            send_client_reports=False,
            shutdown_timeout=_SHUTDOWN_TIMEOUT_S,
            before_send=_scrub,
        )
    except BadDsn:
        # Neither shown nor chained: it holds a key.
        message = "HELPERHUB_SENTRY_DSN is not a Sentry DSN."
        raise ConfigurationError(message, hint="Copy it from the project's settings, under 'Client Keys'.") from None


def report_given_up(
    execution: Mapping[str, Any],
    error: BaseException | None,
    secrets: Collection[str] = (),
    *,
    plugin: tuple[str, str] = ("", ""),
) -> None:
    """Send one event for an execution that was given up; do nothing unless Sentry was started.

    The event's id follows from the execution's, so that a second report of it is the same event.
    The error's text is sent, without what is known or looks to be secret; else whoever puts a payload into it sends
    that too.

    Args:
        execution: Its document, see `Execution.to_document`; of the payload nothing is read.
        error: What the last attempt raised; None if there is none, such as for a lost worker.
        secrets: What its helper declares secret, as it may stand in the error's text.
        plugin: The distribution that ships its helper, and that one's version; empty where nobody knows.
    """
    # Not imported here: without a DSN nothing of it is ever loaded.
    sdk = sys.modules.get("sentry_sdk")
    if sdk is None or not sdk.get_client().is_active():
        return
    event, hint = _build_event(execution, error, sdk.get_client().options)
    event["tags"].update({name: value for name, value in zip(_PLUGIN_TAGS, plugin, strict=True) if value})
    _redact(event, secrets)
    sdk.capture_event(event, hint=hint)


def _redact(event: dict[str, Any], secrets: Collection[str]) -> None:
    told = event.get("logentry")
    if told is not None:
        told["formatted"] = redact_text(told["formatted"], secrets)
    for raised in (event.get("exception") or {}).get("values") or ():
        if isinstance(raised.get("value"), str):
            raised["value"] = redact_text(raised["value"], secrets)


def _build_event(
    execution: Mapping[str, Any], error: BaseException | None, options: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    from sentry_sdk.utils import event_from_exception  # noqa: PLC0415

    event: dict[str, Any] = {}
    hint: dict[str, Any] = {}
    if error is not None:
        mechanism = {"type": "helperhub", "handled": False}
        made, hint = event_from_exception(error, client_options=options, mechanism=mechanism)
        event.update(made)
    else:
        told = execution.get("error") or {}
        reason = told.get("message") or execution.get("reason") or "given up"
        event["logentry"] = {"formatted": f"{execution['helper']}: {reason}"}
        event["fingerprint"] = ["helperhub", execution["helper"], told.get("type") or "given-up"]
    event["level"] = "error"
    event["event_id"] = hashlib.blake2b(execution["id"].encode(), digest_size=16).hexdigest()
    event["tags"] = {name: str(execution[name]) for name in _TAGS if execution.get(name) is not None}
    event["tags"]["execution_id"] = execution["id"]
    return event, hint


def _scrub(event: Event, hint: Hint) -> Event:
    """Leave nothing in ``event`` that could hold a payload or a secret, however it got there."""
    del hint
    scrubbed: Any = {name: value for name, value in event.items() if name in _KEPT}
    scrubbed["tags"] = {name: value for name, value in (scrubbed.get("tags") or {}).items() if name in _KEPT_TAGS}
    for raised in (scrubbed.get("exception") or {}).get("values") or ():
        for frame in (raised.get("stacktrace") or {}).get("frames") or ():
            frame.pop("vars", None)
    result: Event = scrubbed
    return result


def _say_nothing(pending: int, timeout: float) -> None:
    """Replace the SDK's lines on stderr at exit."""
    del pending, timeout
