"""``helperhub db``: the archive's database."""

from __future__ import annotations

from typing import Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import echo_document, echo_facts, echo_status, wants_json
from helperhub.cli.prune import prune
from helperhub.cli.words import json_option
from helperhub.errors import NotFound


@click.group()
def db() -> None:
    """Look after the archive's database."""


db.add_command(prune)


@db.command()
@json_option
def upgrade() -> None:
    """Make the archive's tables, or bring them up to this release; 'helperhub up' does so by itself.

    Nothing is changed if it fails. Stop archivers of older releases first.
    """
    hub = current_call().open_hub(may_lack_redis=True)
    before, after = hub.upgrade_archive()
    if wants_json():
        echo_document({"before": before, "after": after})
    elif before == after:
        echo_status("ok", f"  The archive has revision {after}, the newest.")
    else:
        echo_status("ok", f"  The archive has revision {after} now; it had {before or 'none'}.")


@db.command()
@json_option
def status() -> int:
    """Show where the archive is and how far it has come; exits with 3 if it lags, or can't be used."""
    found = current_call().open_hub().archive_status.look()
    if wants_json():
        echo_document(found)
    else:
        echo_facts(_facts(found))
        for problem in found["problems"]:
            echo_status("warning", f"  {problem}")
    return NotFound.exit_code if found["problems"] else 0


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    lag = "-" if found["lag_seconds"] is None else f"{found['lag_seconds']:.1f} s"
    return [
        ("archive", found["url"]),
        ("revision", found["revision"] or "-"),
        ("executions", "-" if found["executions"] is None else str(found["executions"])),
        ("oldest", found["oldest_at"] or "-"),
        ("archived until", found["until"] or "-"),
        ("lag", lag),
        ("gone unarchived", str(found["unarchived"])),
    ]


__all__ = ["db"]
