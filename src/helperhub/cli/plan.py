"""``helperhub plan``: list, skip, move, run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from helperhub.cli.call import current_call
from helperhub.cli.execution_story import echo_plan
from helperhub.cli.moments import read_clock, show_moment
from helperhub.cli.output import echo_document, wants_json
from helperhub.cli.words import InstantWord, helper_option, json_option, limit_option, reason_option

if TYPE_CHECKING:
    from helperhub.services.plan import PlanChange


@click.group()
def plan() -> None:
    """See what is due; skip, move or run it.

    ID is a planned execution's, such as weather@20261123T083000Z.
    """


@plan.command("list")
@helper_option
@limit_option
@json_option
def list_planned(helper: str | None, limit: int) -> None:
    """List planned executions in order of due time, as far as the look-ahead window goes."""
    found = current_call().open_hub().plan.upcoming(helper=helper, limit=limit)
    if wants_json():
        echo_document({"planned": [execution.to_document() for execution in found]})
    else:
        echo_plan(found)


@plan.command()
@click.argument("execution_id", metavar="ID")
@reason_option
@json_option
def skip(execution_id: str, reason: str) -> None:
    """Leave one planned execution out; it is recorded as skipped."""
    _echo_change(current_call().open_hub().plan.skip(execution_id, reason=reason))


@plan.command()
@click.argument("execution_id", metavar="ID")
@click.option("--to", type=InstantWord(), required=True, metavar="TIME", help="When it is due instead.")
@reason_option
@json_option
def move(execution_id: str, to: datetime, reason: str) -> None:
    """Make one planned execution due at another time; its id stays."""
    _echo_change(current_call().open_hub().plan.move(execution_id, to=to, reason=reason))


@plan.command()
@click.argument("execution_id", metavar="ID")
@reason_option
@json_option
def run(execution_id: str, reason: str) -> None:
    """Make one planned execution due now; it isn't planned again."""
    _echo_change(current_call().open_hub().plan.run(execution_id, reason=reason))


def _echo_change(change: PlanChange) -> None:
    if wants_json():
        echo_document(change.to_document())
    elif change.due_at is None:
        click.echo(f"{change.id} is skipped.")
    else:
        click.echo(f"{change.id} is due {show_moment(change.due_at, read_clock())}.")
