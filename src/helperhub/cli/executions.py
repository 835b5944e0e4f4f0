"""``helperhub executions``: list, show, wait, cancel, replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.execution_story import echo_execution, echo_executions
from helperhub.cli.helper_run import echo_end
from helperhub.cli.output import echo_document, wants_json
from helperhub.cli.words import (
    InstantWord,
    PairWord,
    helper_option,
    json_option,
    limit_option,
    reason_option,
    timeout_option,
)
from helperhub.model.execution import Status


@click.group()
def executions() -> None:
    """List, show, wait for, cancel and replay executions."""


@executions.command("list")
@helper_option
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="Only in this state; may be repeated.",
)
@click.option("--queue", metavar="NAME", help="Only of this queue.")
@click.option(
    "--since", type=InstantWord(ago=True), metavar="TIME", help="Finished since; a time, or '2h' for so long ago."
)
@click.option("--until", type=InstantWord(ago=True), metavar="TIME", help="Finished until; likewise.")
@click.option(
    "--meta", type=PairWord(), multiple=True, metavar="NAME=VALUE", help="With this metadata; may be repeated."
)
@limit_option
@json_option
def list_executions(statuses: tuple[str, ...], limit: int, meta: tuple[tuple[str, str], ...], **options: Any) -> None:
    """List executions, newest first: what runs, what waits, what is over.

    What isn't due yet is shown by 'helperhub plan list', or here with --status planned.
    """
    from helperhub.services.executions import ExecutionFilter  # noqa: PLC0415 - help must not import Redis

    wanted = ExecutionFilter(statuses=frozenset(map(Status, statuses)), metadata=dict(meta) or None, **options)
    found = current_call().open_hub().executions.find(wanted, limit=limit)
    if wants_json():
        echo_document({"executions": [execution.to_document() for execution in found]})
    else:
        echo_executions(found, empty="No execution fits.")


@executions.command()
@click.argument("execution_id", metavar="ID")
@json_option
def show(execution_id: str) -> None:
    """Tell the story of one execution: when, how long, what failed, what came out."""
    hub = current_call().open_hub()
    execution = hub.executions.show(execution_id)
    progress, log = hub.executions.progress(execution_id), hub.executions.log(execution_id)
    if wants_json():
        echo_document({**execution.to_document(), "progress": progress, "log": log})
    else:
        echo_execution(execution, progress=progress, log=log)


@executions.command()
@click.argument("execution_id", metavar="ID")
@timeout_option
@json_option
def wait(execution_id: str, timeout: timedelta) -> int:
    """Wait for the end of one execution: exits with 0 if that is success, else with 1."""
    return echo_end(current_call().open_hub().wait(execution_id, timeout=timeout), timeout)


@executions.command()
@click.argument("execution_id", metavar="ID")
@reason_option
@json_option
def cancel(execution_id: str, reason: str) -> None:
    """Stop one execution: at once if it waits; if it runs, it is asked to stop."""
    outcome = current_call().open_hub().executions.cancel(execution_id, reason=reason)
    if wants_json():
        echo_document({"id": execution_id, "outcome": outcome})
    else:
        click.echo("It is cancelled." if outcome == "cancelled" else "It runs, and was asked to stop.")


@executions.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@json_option
def replay(ids: tuple[str, ...]) -> None:
    """Put finished executions back, as new ones."""
    echo_replayed(current_call().open_hub().executions.replay(ids))


def echo_replayed(replayed: Sequence[tuple[str, str]]) -> None:
    """Tell which execution each became.

    Args:
        replayed: (old id, new id).
    """
    if wants_json():
        echo_document({"replayed": [{"id": new, "replay_of": old} for old, new in replayed]})
        return
    for old, new in replayed:
        click.echo(f"{old} is replayed as {new}")
    if not replayed:
        click.echo("There was nothing to replay.", err=True)
