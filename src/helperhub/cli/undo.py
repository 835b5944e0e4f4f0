"""``helperhub undo``, and what the commands that can be undone say of it."""

from __future__ import annotations

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import echo_document, wants_json
from helperhub.cli.words import json_option


@click.command()
@click.argument("change", metavar="ID")
@json_option
def undo(change: str) -> None:
    """Undo a deletion or replay of dead letters, or a purge, for 10 minutes.

    ID is what the command said that did it, and stands in the audit; of a replay at a rate, the id of the execution
    that replays. Replays that have started stay; what was purged is enqueued again, as new executions.
    """
    undone = current_call().open_hub().undo.take_back(change)
    if wants_json():
        echo_document(undone.to_document())
    else:
        click.echo(undone.in_words())


def tell_undo(change_id: str | None) -> None:
    """Say how a change is undone, if it changed anything."""
    if change_id is not None:
        click.echo(f"'helperhub undo {change_id}' takes it back, for 10 minutes.", err=True)
