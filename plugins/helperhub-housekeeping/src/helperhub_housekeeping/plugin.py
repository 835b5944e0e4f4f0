"""The helpers, and the hook that brings them in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from helperhub import Context, Cron, Daily, Hub, Registrar, RetryPolicy, helper, hookimpl
from helperhub.errors import ConfigurationError, NotFound, UsageError
from helperhub_housekeeping.backup_files import place_of, remove_oldest
from helperhub_housekeeping.settings import Settings

#: What another attempt won't cure: no archive, a setting that doesn't fit.
_LASTING = (ConfigurationError, NotFound, UsageError)
_RETRY = RetryPolicy(max_attempts=5, min_backoff=timedelta(minutes=1), max_backoff=timedelta(minutes=30))
_MONDAY_AT_NINE = "0 9 * * 1"


@cache
def _hub() -> Hub:
    """Return this process's own access to its hub; it is made once, and connects when it is first asked."""
    return Hub.from_env()


@helper(
    schedule=Daily("02:00"),
    queue="low",
    expires_after=timedelta(hours=12),
    retry=_RETRY,
    time_limit=timedelta(hours=4),
    settings=Settings,
    throws=_LASTING,
)
def clean_up(ctx: Context[Settings]) -> dict[str, Any]:
    """Remove old executions and sums of hours from the archive, and say how many of what."""
    settings = ctx.settings
    found = _hub().pruning.prune(settings.keep, by_outcome=settings.ages(), hours_older_than=settings.keep_hours)
    removed = {name: found[name] for name in ("executions", "total", "hours", "free_bytes")}
    return {**removed, "totals": {"executions_removed": found["total"]}}


@helper(
    schedule=Cron(_MONDAY_AT_NINE),
    queue="low",
    expires_after=timedelta(days=1),
    retry=_RETRY,
    time_limit=timedelta(minutes=15),
    settings=Settings,
    throws=_LASTING,
)
def weekly_report(ctx: Context[Settings]) -> dict[str, Any]:
    """Report on the last week by mail and chat, and keep its figures; a payload {"week": "2026-W40"} names another."""
    settings = ctx.settings
    reports = _hub().reports
    report = reports.weekly(_week_of(ctx.payload), timezone=settings.timezone)
    document = report.to_document()
    page = "/api/v1/reports/weekly?" + urlencode({"week": document["week"], "timezone": document["timezone"]})
    chat = settings.chat_url.get_secret_value() if settings.chat_url else None
    page_url = settings.page_url.rstrip("/") + page if settings.page_url else ""
    told = reports.deliver(report, mail_to=settings.mail_to, chat_url=chat, page_url=page_url)
    for failure in told["failed"]:
        ctx.log.warning("report_not_delivered", extra={"week": document["week"], "failure": failure})
    # Not under 'totals': what it reports are sums already.
    return {"week": document["week"], "page": page, **told, "report": document}


@helper(
    schedule=Daily("03:00"),
    queue="low",
    expires_after=timedelta(hours=12),
    retry=_RETRY,
    time_limit=timedelta(hours=2),
    settings=Settings,
    throws=_LASTING,
)
def backup(ctx: Context[Settings]) -> dict[str, Any]:
    """Write the hub's state to a file, read it again, and remove the oldest of these files."""
    settings = ctx.settings
    if settings.backup_dir is None:
        message = "HELPERHUB_HOUSEKEEPING__BACKUP_DIR names no directory for backups."
        raise ConfigurationError(message)
    hub = _hub()
    path = place_of(settings.backup_dir, hub.settings.hub, now=datetime.now(UTC))
    document = hub.backups.write(path).to_document()
    checked = hub.backups.check(path).to_document()
    removed = remove_oldest(settings.backup_dir, hub.settings.hub, keep=settings.keep_backups)
    return {**document, "verified": checked["digest"] == document["digest"], "removed": removed}


def _week_of(payload: Any) -> str | None:
    """Return the week that a payload names, None for the last one.

    Raises:
        UsageError: The payload is something else.
    """
    if payload is None or payload == {}:
        return None
    if isinstance(payload, dict) and set(payload) == {"week"} and isinstance(payload["week"], str):
        return payload["week"]
    message = "The payload names no week."
    raise UsageError(message, hint='Send {"week": "2026-W47"}, or nothing for the last week that is over.')


@hookimpl
def helperhub_register(hub: Registrar) -> None:
    """Bring in the helpers, in the zone that the settings name; the one for backups where they have a place.

    Raises:
        ConfigurationError: A setting doesn't fit; the message names the variable.
    """
    settings = hub.settings(Settings)
    timezone = settings.timezone
    hub.add(clean_up, schedule=Daily("02:00", tz=timezone))
    hub.add(weekly_report, schedule=Cron(_MONDAY_AT_NINE, tz=timezone))
    if settings.backup_dir is not None:
        hub.add(backup, schedule=Daily("03:00", tz=timezone))
