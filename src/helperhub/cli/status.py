"""``helperhub status``: the hub at one look."""

from __future__ import annotations

from typing import Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import counted, echo_document, echo_facts, echo_status, wants_json
from helperhub.cli.words import json_option
from helperhub.errors import NotFound


@click.command()
@json_option
def status() -> int:
    """Show the hub at one look: Redis, processes, queues, dead letters; exits with 3 if something is missing."""
    found = current_call().open_hub().overview.status()
    if wants_json():
        echo_document(found)
    else:
        _echo(found)
    return NotFound.exit_code if found["problems"] else 0


def _echo(found: dict[str, Any]) -> None:
    workers, queues, helpers = found["workers"], found["queues"], found["helpers"]
    servers = ", ".join(
        f"{one['engine'] or 'not reached'} {one['version'] or ''} {one['address']}".strip() for one in found["redis"]
    )
    paused = f", {workers['suspended']} paused" if workers["suspended"] else ""
    echo_facts(
        [
            ("hub", found["hub"]),
            ("release", found["version"]),
            ("redis", servers),
            ("schedulers", str(found["schedulers"]["at_work"])),
            ("workers", f"{workers['processes']} with {counted(workers['threads'], 'thread')}{paused}"),
            ("queues", f"{queues['known']}: {queues['waiting']} wait, {queues['running']} run"),
            ("helpers", f"{helpers['known']}, {helpers['enabled']} enabled: {helpers['planned']} planned"),
            ("dead letters", str(found["dead_letters"])),
            ("alerts", str(found["alerts"]["firing"] or "")),
        ]
    )
    for alert in found["alerts"]["newest"]:
        echo_status(alert["severity"], f"  {alert['text']} ({alert['state']}, {alert['id']})")
    for problem in found["problems"]:
        echo_status("warning", f"  {problem}")
