"""Crontab lines to instances of the helper ``crontab``; what can't become one is reported."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tzlocal import get_localzone_name

from helperhub import Cron, Helper, HelperHubError, Once, Registrar, RetryPolicy
from helperhub_crontab.files import CrontabFile, read_crontabs
from helperhub_crontab.naming import name_lines
from helperhub_crontab.parse import REBOOT, CronLine, Problem, parse_crontab
from helperhub_crontab.settings import CrontabSettings
from helperhub_crontab.users import User, refuse_user

#: All processes of a start compute the same moment, and it lies after the slowest has brought its
#: helpers in: a moment already past would be missed or never planned.
REBOOT_DELAY = timedelta(seconds=10)
_MAX_DESCRIPTION = 200


def adopt_crontabs(hub: Registrar, helper: Helper, settings: CrontabSettings, *, current: User) -> None:
    """Add every line of the configured files as an instance of ``helper``; report the others.

    Args:
        hub: Where instances and problems go.
        helper: The helper that runs a line's command.
        settings: Which files, and how their commands run.
        current: Who this process runs as.
    """
    if not settings.files:
        hub.report("helperhub-crontab has nothing to adopt: name files in HELPERHUB_CRONTAB__FILES.")
        return
    lines: list[CronLine] = []
    for found in read_crontabs(settings.files, settings.format, uid=current.uid):
        if isinstance(found, Problem):
            hub.report(str(found))
        else:
            lines.extend(_lines_of(found, hub))
    zone = settings.timezone or _local_zone(hub)
    for name, line in name_lines(lines):
        reason = refuse_user(line.user, current) if line.user is not None else None
        if reason:
            hub.report(str(_problem(line, f"Not adopted: {reason[0]}", reason[1])))
        else:
            _add(hub, helper, settings, line, name=name, zone=zone)
    _report_mailto(hub, lines)


def build_payload(line: CronLine, settings: CrontabSettings) -> dict[str, Any]:
    """Return what an execution of ``line`` is given."""
    return {
        "command": line.command,
        "stdin": line.stdin,
        "shell": line.variables.get("SHELL") or settings.shell,
        "env": dict(line.variables),
        "user": line.user,
        "cwd": line.variables.get("HOME") or None,
        "source": f"{line.path}:{line.number}",
        "mailto": line.variables.get("MAILTO"),
    }


def _lines_of(file: CrontabFile, hub: Registrar) -> Iterable[CronLine]:
    crontab = parse_crontab(file.content, file.path, system=file.system)
    for problem in crontab.problems:
        hub.report(str(problem))
    if file.owner is None:
        return crontab.lines
    return [replace(line, user=file.owner) for line in crontab.lines]


def _add(hub: Registrar, helper: Helper, settings: CrontabSettings, line: CronLine, *, name: str, zone: str) -> None:
    try:
        schedule = (
            Once(at=hub.started_at + REBOOT_DELAY)
            if line.expression == REBOOT
            else Cron(line.expression, tz=line.timezone or zone)
        )
        hub.add(
            helper,
            instance=name,
            schedule=schedule,
            payload=build_payload(line, settings),
            expires_after=settings.expires_after,
            retry=RetryPolicy(max_attempts=settings.max_attempts),
            time_limit=settings.time_limit,
            overlap=settings.overlap,
            enabled=settings.enabled,
            description=" ".join(line.command.split())[:_MAX_DESCRIPTION],
        )
    except HelperHubError as error:
        hub.report(str(_problem(line, f"Not adopted: {error.message}", error.hint or "Correct the line.")))


def _problem(line: CronLine, what: str, remedy: str) -> Problem:
    return Problem(line.path, line.number, what, remedy, line.text)


def _local_zone(hub: Registrar) -> str:
    """Return the machine's zone, as cron has it; the hub's if the machine doesn't say."""
    try:
        with warnings.catch_warnings():
            # tzlocal warns, and says UTC, on a machine without any zone: as cron would.
            warnings.simplefilter("ignore")
            name = get_localzone_name()
    except (LookupError, OSError, ValueError) as error:
        hub.report(
            f"helperhub-crontab takes the hub's zone {hub.timezone}: this machine's can't be told ({error}). "
            "Set HELPERHUB_CRONTAB__TIMEZONE."
        )
        return hub.timezone
    return name or hub.timezone


def _report_mailto(hub: Registrar, lines: Iterable[CronLine]) -> None:
    addressees = {(line.path, mailto): None for line in lines if (mailto := line.variables.get("MAILTO"))}
    for path, mailto in addressees:
        problem = Problem(
            path,
            0,
            f"MAILTO={mailto} gets a mail for each failure of its lines, once failures are mailed at all.",
            f"Set HELPERHUB_ON_FAILURE__MAIL_TO='[\"{mailto}\"]' and HELPERHUB_ON_FAILURE__SMTP_HOST.",
            adopted=True,
        )
        hub.report(str(problem))
