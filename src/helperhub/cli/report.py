"""``helperhub report``: a week as figures, page or text."""

from __future__ import annotations

from pathlib import Path

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import echo_document, wants_json
from helperhub.cli.words import json_option
from helperhub.errors import UsageError


@click.group()
def report() -> None:
    """Report on what happened, from the archive."""


@report.command()
@click.option("--week", metavar="YEAR-WEEK", help="Such as 2026-W47; the last one that is over unless given.")
@click.option("--tz", metavar="ZONE", help="Zone of the week, an IANA name; the hub's unless given.")
@click.option("--format", "form", type=click.Choice(("text", "html")), default="text", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@json_option
def weekly(week: str | None, tz: str | None, form: str, out: Path | None) -> None:
    """Show a week beside the week before: counts, rates, times, worst helpers, what helpers reported."""
    reports = current_call().open_hub(may_lack_redis=True).reports
    found = reports.weekly(week, timezone=tz)
    if wants_json():
        echo_document(found.to_document())
        return
    written = reports.html(found) if form == "html" else reports.text(found)
    if out is None:
        click.echo(written, nl=False)
        return
    try:
        out.write_text(written, encoding="utf-8")
    except OSError as error:
        message = f"{out} can't be written: {error.strerror}."
        raise UsageError(message, hint="Name a file in a directory that is there and yours.") from error
    click.echo(f"{out}: week {found.week.name}.", err=True)


__all__ = ["report"]
