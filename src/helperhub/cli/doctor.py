"""``helperhub doctor``: is everything in order?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import echo_document, echo_status, wants_json
from helperhub.cli.words import json_option
from helperhub.errors import NotFound, StoreUnavailable, UsageError

if TYPE_CHECKING:
    from helperhub.services.checks import Finding


#: Nothing of a pattern's: a name with a star would open more than it says.
_NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")
_ROLES = ("scheduler", "worker", "web", "read-only", "backup")


@click.command()
@click.option("--acl", is_flag=True, help="Check nothing: print the rules of a Redis user for each role.")
@click.option("--role", "roles", type=click.Choice(_ROLES), multiple=True, help="With --acl: only this role.")
@click.option("--queues", metavar="NAME,...", default="", help="With --acl: a worker for these queues only.")
@json_option
def doctor(roles: tuple[str, ...], queues: str, *, acl: bool) -> int:
    """Check Redis, plugins, clock and processes; exits with 3 if there is a problem."""
    if acl:
        _echo_rules(roles or _ROLES, _names(queues))
        return 0
    if roles or queues:
        message = "--role and --queues go with --acl."
        raise UsageError(message)
    return _check()


def _check() -> int:
    from helperhub.services.checks import Grade  # noqa: PLC0415 - help must not import Redis

    findings = find_all()
    ok = all(finding.grade is not Grade.PROBLEM for finding in findings)
    if wants_json():
        echo_document({"findings": [finding.to_document() for finding in findings], "ok": ok})
    else:
        _echo(findings)
    return 0 if ok else NotFound.exit_code


def find_all() -> list[Finding]:
    """Return all findings; having no Redis at all is one."""
    from helperhub.services.checks import Finding, Grade  # noqa: PLC0415 - as above

    call = current_call()
    try:
        hub = call.open_hub()
    except StoreUnavailable as error:
        # The checks would go on about an address that nobody gave.
        found = call.open_hub(may_lack_redis=True).checks().run()
        rest = [finding for finding in found if finding.check != "redis"]
        return [Finding("redis", Grade.PROBLEM, error.message, error.hint), *rest]
    return hub.checks().run()


def _echo_rules(roles: Sequence[str], queues: list[str]) -> None:
    from helperhub.services.acl import Role, build_rules  # noqa: PLC0415 - as above

    settings = current_call().load_settings().settings
    shards = range(settings.shards)
    users = [build_rules(Role(name), settings.hub, queues=queues, shards=shards) for name in roles]
    if wants_json():
        echo_document({"acl": [user.to_document() for user in users]})
        return
    for user in users:
        click.echo(user.command)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = next((name for name in names if not _NAME.fullmatch(name)), None)
    if wrong is not None:
        message = f"'{wrong}' can't be the name of a queue."
        raise UsageError(message)
    return names


def _echo(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        grade = finding.grade.value
        text = f"{finding.text}\n{finding.hint}" if finding.hint else finding.text
        text = text.replace("\n", f"\n{'':{width + 12}}")
        echo_status(grade, f"{'':{10 - len(grade)}}{finding.check:{width}}  {text}")
