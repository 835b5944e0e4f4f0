"""``helperhub db prune``: remove what is old from the archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import counted, echo_document, wants_json
from helperhub.cli.words import DurationWord, PairWord, json_option
from helperhub.errors import UsageError
from helperhub.model.duration import parse_duration


@click.command()
@click.option(
    "--older-than",
    type=DurationWord(),
    default="30d",
    show_default=True,
    metavar="DURATION",
    help="Executions that ended so long ago.",
)
@click.option(
    "--outcome",
    "by_outcome",
    type=PairWord(),
    multiple=True,
    metavar="OUTCOME=DURATION",
    help="Instead, for one outcome: error=90d. May be repeated.",
)
@click.option(
    "--hours-older-than",
    type=DurationWord(),
    default="90d",
    show_default=True,
    metavar="DURATION",
    help="Sums of hours; those of days stay for ever.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would be removed.")
@json_option
def prune(
    older_than: timedelta, by_outcome: Sequence[tuple[str, str]], hours_older_than: timedelta, *, dry_run: bool
) -> None:
    """Remove old executions, with their attempts and metadata, and old sums of hours.

    Dead letters that stand stay, and so do their rows. The sums of days stay, so statistics and reports do too.
    """
    ages = {outcome: _read_age(outcome, text) for outcome, text in by_outcome}
    found = (
        current_call()
        .open_hub()
        .pruning.prune(older_than, by_outcome=ages, hours_older_than=hours_older_than, dry_run=dry_run)
    )
    if wants_json():
        echo_document(found)
        return
    would = "would be " if dry_run else ""
    parts = ", ".join(f"{number} {outcome}" for outcome, number in found["executions"].items() if number)
    of_them = f" ({parts})" if parts else ""
    executions, hours = counted(found["total"], "execution"), counted(found["hours"], "hourly sum")
    click.echo(f"{executions}{of_them} and {hours} {would}removed.")
    if found["free_bytes"]:
        click.echo(f"{found['free_bytes'] / 1e6:.1f} MB of the file are free for what comes.")


def _read_age(outcome: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except UsageError as error:
        message = f"--outcome {outcome}: {error.message}"
        raise UsageError(message, hint=error.hint) from error


__all__ = ["prune"]
