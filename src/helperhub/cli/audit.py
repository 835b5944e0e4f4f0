"""``helperhub audit``: who did what."""

from __future__ import annotations

from datetime import datetime

import click

from helperhub.cli.call import current_call
from helperhub.cli.moments import read_clock, show_moment
from helperhub.cli.output import (
    Column,
    Kind,
    echo_document,
    echo_status,
    echo_table,
    show_json,
    wants_json,
)
from helperhub.cli.words import InstantWord, json_option
from helperhub.errors import NotFound
from helperhub.model.instant import parse_instant


@click.group()
def audit() -> None:
    """See who did what, from the command line and over HTTP."""


@audit.command("list")
@click.option("--who", metavar="NAME", help="Such as key:3f9aK2mPq8Zx or person:ada@web1.")
@click.option("--action", metavar="NOUN.VERB", help="Such as helper.disable; 'helper.' means all that begin so.")
@click.option("--target", metavar="NAME", help="What it was done to.")
@click.option("--since", type=InstantWord(ago=True), metavar="TIME", help="At or after; a duration counts back.")
@click.option("--until", type=InstantWord(ago=True), metavar="TIME", help="Before.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@json_option
def list_entries(
    who: str | None, action: str | None, target: str | None, since: datetime | None, until: datetime | None, limit: int
) -> None:
    """List the newest entries."""
    from helperhub.services.audit import AuditFilter  # noqa: PLC0415 - help must not import Redis

    found = current_call().open_hub().audit.find(AuditFilter(who, action, target, since, until), limit=limit)
    if wants_json():
        echo_document({"entries": found})
        return
    now = read_clock()
    columns = [Column("when", Kind.MOMENT), Column("who", Kind.ID), Column("did"), Column("to", Kind.ID), Column("why")]
    rows = [
        [show_moment(parse_instant(entry["at"]), now), entry["who"], entry["action"], entry["target"], entry["reason"]]
        for entry in found
    ]
    echo_table(columns, rows, empty="Nothing has been done yet, as far as is kept.")


@audit.command()
def export() -> None:
    """Write all entries to stdout, newest first, one JSON document a line."""
    from helperhub.services.audit import AuditFilter  # noqa: PLC0415 - as above

    for entry in current_call().open_hub().audit.export(AuditFilter()):
        click.echo(show_json(entry))


@audit.command()
@json_option
def verify() -> int:
    """Check that no entry in the archive was changed, taken out or put in; exits with 3 if one was."""
    found = current_call().open_hub().audit.verify()
    if wants_json():
        echo_document(found)
    elif found["ok"]:
        echo_status("ok", f"  {found['entries']} entries in order; the last has the digest {found['digest']}.")
    else:
        echo_status("error", f"  {found['problem']} {found['entries']} entries are in order.")
    return 0 if found["ok"] else NotFound.exit_code


__all__ = ["audit"]
