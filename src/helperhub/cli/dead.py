"""``helperhub dead``: list, show, replay, delete."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from helperhub.cli.call import current_call
from helperhub.cli.execution_story import echo_execution, echo_executions
from helperhub.cli.executions import echo_replayed
from helperhub.cli.output import counted, echo_document, wants_json
from helperhub.cli.words import helper_option, json_option, limit_option
from helperhub.errors import UsageError

if TYPE_CHECKING:
    from helperhub.hub import Hub

_ALL = "--all"


@click.group()
def dead() -> None:
    """List, show, replay and delete dead letters: executions that were given up."""


@dead.command("list")
@helper_option
@limit_option
@json_option
def list_dead(helper: str | None, limit: int) -> None:
    """List dead letters, newest first."""
    hub = current_call().open_hub()
    found = hub.dead_letters.find(helper=helper, limit=limit)
    total = count(hub, helper)
    if wants_json():
        echo_document({"dead": [execution.to_document() for execution in found], "total": total})
        return
    echo_executions(found, empty="There are no dead letters.")
    if total > len(found):
        click.echo(f"{len(found)} of {total}; --limit shows more.", err=True)


@dead.command()
@click.argument("execution_id", metavar="ID")
@json_option
def show(execution_id: str) -> None:
    """Show one dead letter with its errors."""
    execution = current_call().open_hub().dead_letters.get(execution_id)
    if wants_json():
        echo_document(execution.to_document())
    else:
        echo_execution(execution, progress=None)


@dead.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option(_ALL, "everything", is_flag=True, help="All there are now, or a helper's.")
@helper_option
@json_option
def replay(ids: tuple[str, ...], helper: str | None, *, everything: bool) -> None:
    """Put dead letters back, as new executions."""
    check_choice(ids, helper, everything=everything)
    letters = current_call().open_hub().dead_letters
    echo_replayed(letters.replay_all(helper=helper) if everything else letters.replay(ids))


@dead.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option(_ALL, "everything", is_flag=True, help="All there are now, or a helper's.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@helper_option
@json_option
def delete(ids: tuple[str, ...], helper: str | None, *, everything: bool, yes: bool) -> int:
    """Delete dead letters: they can't be replayed any more."""
    check_choice(ids, helper, everything=everything)
    hub = current_call().open_hub()
    number = count(hub, helper) if everything else len(ids)
    if number and not yes and not confirm(number):
        click.echo("Nothing was deleted.", err=True)
        return 1
    letters = hub.dead_letters
    deleted = letters.delete_all(helper=helper) if everything else letters.delete(ids)
    if wants_json():
        echo_document({"deleted": deleted})
    else:
        click.echo(f"{deleted} deleted.")
    return 0


def check_choice(ids: tuple[str, ...], helper: str | None, *, everything: bool) -> None:
    """Refuse a command that names none, or both ids and all.

    Raises:
        UsageError: It does.
    """
    if everything and ids:
        message = "Ids and --all exclude each other."
        raise UsageError(message, hint="Give one of them.")
    if not everything and not ids:
        message = "Which dead letters?"
        raise UsageError(message, hint="Name their ids, or give --all.")
    if helper is not None and not everything:
        message = "--helper goes with --all."
        raise UsageError(message, hint=f"Write '--all --helper {helper}'.")


def count(hub: Hub, helper: str | None) -> int:
    """Return how many dead letters there are, or a helper has."""
    total = hub.dead_letters.count()
    return total if helper is None else len(hub.dead_letters.find(helper=helper, limit=max(total, 1)))


def confirm(number: int) -> bool:
    """Ask whether so many are to be deleted.

    Raises:
        UsageError: Nobody is there to ask.
    """
    if not is_terminal():
        message = f"Deleting {counted(number, 'dead letter')} needs a yes."
        raise UsageError(message, hint="Give --yes.")
    return click.confirm(f"Delete {counted(number, 'dead letter')} for good?", err=True)


def is_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty()
