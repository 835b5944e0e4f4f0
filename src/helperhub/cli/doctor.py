"""``helperhub doctor``: is everything in order?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import echo_document, echo_status, wants_json
from helperhub.cli.words import json_option
from helperhub.errors import NotFound, StoreUnavailable

if TYPE_CHECKING:
    from helperhub.services.checks import Finding


@click.command()
@json_option
def doctor() -> int:
    """Check Redis, plugins, clock and processes; exits with 3 if there is a problem."""
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


def _echo(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        grade = finding.grade.value
        text = f"{finding.text}\n{finding.hint}" if finding.hint else finding.text
        text = text.replace("\n", f"\n{'':{width + 12}}")
        echo_status(grade, f"{'':{10 - len(grade)}}{finding.check:{width}}  {text}")
