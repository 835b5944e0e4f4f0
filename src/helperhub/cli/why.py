"""``helperhub why``: why an execution stands where it does."""

from __future__ import annotations

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import echo_document, wants_json
from helperhub.cli.words import json_option


@click.command()
@click.argument("execution_id", metavar="ID")
@json_option
def why(execution_id: str) -> None:
    """Say why an execution stands where it does: what it waits for, its place in line, how it ended."""
    found = current_call().open_hub().why(execution_id)
    if wants_json():
        echo_document(found.to_document())
    else:
        click.echo(f"{found.execution.status.value}: {found.why}")
