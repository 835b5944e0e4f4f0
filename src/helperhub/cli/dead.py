"""``helperhub dead``: list, groups, show, replay, edit, delete."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.execution_story import echo_execution, echo_executions
from helperhub.cli.executions import echo_replayed
from helperhub.cli.output import Column, Kind, counted, echo_document, echo_table, wants_json
from helperhub.cli.undo import tell_undo
from helperhub.cli.words import NO_LIMIT, JsonWord, LimitWord, helper_option, json_option, limit_option
from helperhub.errors import UsageError

if TYPE_CHECKING:
    from helperhub.hub import Hub

_ALL = "--all"
GROUP_COLUMNS = (
    Column("CAUSE"),
    Column("HELPER"),
    Column("COUNT", Kind.NUMBER),
    Column("LAST", Kind.MOMENT),
    Column("WHAT"),
    Column("EXAMPLE", Kind.ID),
)
cause_option = click.option(
    "--cause", metavar="FINGERPRINT", help="Only of this cause, as 'helperhub dead groups' names it."
)


@click.group()
def dead() -> None:
    """List, group, show, replay, edit and delete dead letters: executions that were given up."""


@dead.command("list")
@helper_option
@cause_option
@limit_option
@json_option
def list_dead(helper: str | None, cause: str | None, limit: int) -> None:
    """List dead letters, newest first."""
    from helperhub.services.dead_letters import DeadFilter  # noqa: PLC0415 - help must not import Redis

    hub = current_call().open_hub()
    found = list(islice(hub.dead_letters.matching(DeadFilter(helper, cause)), limit))
    total = count(hub, helper, cause)
    if wants_json():
        echo_document({"dead": [execution.to_document() for execution in found], "total": total})
        return
    echo_executions(found, empty="There are no dead letters.")
    if total > len(found):
        click.echo(f"{len(found)} of {total}; --limit shows more.", err=True)


@dead.command()
@helper_option
@json_option
def groups(helper: str | None) -> None:
    """Group dead letters by what they failed of: error, place in the helper's code, and text."""
    from helperhub.services.dead_letters import DeadFilter  # noqa: PLC0415 - as above

    grouped = current_call().open_hub().dead_letters.groups(DeadFilter(helper))
    if wants_json():
        echo_document(grouped.to_document())
        return
    rows = [
        (
            row["fingerprint"],
            row["helper"],
            str(row["count"]),
            row["last_seen"] or "-",
            what_failed(row),
            row["example"],
        )
        for row in (group.to_document() for group in grouped.groups)
    ]
    echo_table(GROUP_COLUMNS, rows, empty="There are no dead letters.")
    if grouped.total > grouped.looked:
        click.echo(f"Of the newest {grouped.looked} of {grouped.total}.", err=True)


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
@cause_option
@click.option(
    "--rate",
    type=LimitWord(rate=True),
    metavar="RATE",
    help="At most so many, such as 10/s; a worker does it, and goes on where one that died was.",
)
@click.option(
    "--stop-after-failures",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Put N back first, and no more if all fail again in the same way; a worker does it.",
)
@json_option
def replay(ids: tuple[str, ...], rate: Any, *, everything: bool, stop_after_failures: int | None, **by: Any) -> None:
    """Put dead letters back, as new executions.

    With --rate, --stop-after-failures or --cause a worker does it, as an execution that 'helperhub executions
    show' follows, 'executions cancel' stops and 'helperhub undo' takes back.
    """
    from helperhub.services.undo import Change  # noqa: PLC0415 - as above

    helper, cause = by["helper"], by["cause"]
    everything = everything or cause is not None
    check_choice(ids, helper, everything=everything)
    hub = current_call().open_hub()
    if cause is None and rate is None and stop_after_failures is None:
        change, letters = hub.undo.begin(Change.REPLAY), hub.dead_letters
        done = letters.replay_all(helper=helper, undo=change) if everything else letters.replay(ids, undo=change)
        echo_replayed(done, hub.undo.id_of(change))
        return
    if not everything:
        message = "--rate and --stop-after-failures go with --all or --cause."
        raise UsageError(message, hint="Give one of these instead of ids.")
    from helperhub.services.mass_replay import MassReplay  # noqa: PLC0415 - as above

    wanted = MassReplay(helper, cause, None if rate is NO_LIMIT else rate, stop_after_failures)
    id_ = hub.mass_replays.start(wanted)
    if wants_json():
        echo_document({"id": id_})
    else:
        click.echo(f"{id_} replays them; 'helperhub executions show {id_}' says how far it is.")


@dead.command()
@click.argument("execution_id", metavar="ID")
@click.option(
    "--payload", type=JsonWord(), required=True, metavar="JSON", help="What it is given now; @file reads one."
)
@json_option
def edit(execution_id: str, payload: Any) -> None:
    """Put one dead letter back with another payload, as a new execution."""
    from helperhub.services.undo import Change  # noqa: PLC0415 - as above

    hub = current_call().open_hub()
    change = hub.undo.begin(Change.REPLAY)
    echo_replayed([(execution_id, hub.dead_letters.replay_edited(execution_id, payload, undo=change))], change.id)


@dead.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option(_ALL, "everything", is_flag=True, help="All there are now, or a helper's.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@helper_option
@cause_option
@json_option
def delete(ids: tuple[str, ...], helper: str | None, cause: str | None, *, everything: bool, yes: bool) -> int:
    """Delete dead letters; 'helperhub undo' puts them back, for 10 minutes."""
    from helperhub.services.dead_letters import DeadFilter  # noqa: PLC0415 - as above
    from helperhub.services.undo import Change  # noqa: PLC0415 - as above

    everything = everything or cause is not None
    check_choice(ids, helper, everything=everything)
    hub = current_call().open_hub()
    number = count(hub, helper, cause) if everything else len(ids)
    if number and not yes and not confirm(number):
        click.echo("Nothing was deleted.", err=True)
        return 1
    letters, change = hub.dead_letters, hub.undo.begin(Change.DELETE)
    if cause is not None:
        deleted = letters.delete_matching(DeadFilter(helper, cause), undo=change)
    elif everything:
        deleted = letters.delete_all(helper=helper, undo=change)
    else:
        deleted = letters.delete(ids, undo=change)
    can_undo = change.id if deleted else None
    if wants_json():
        echo_document({"deleted": deleted, "undo": can_undo})
    else:
        click.echo(f"{deleted} deleted.")
        tell_undo(can_undo)
    return 0


def check_choice(ids: tuple[str, ...], helper: str | None, *, everything: bool) -> None:
    """Refuse a command that names none, or both ids and all.

    Raises:
        UsageError: It does.
    """
    if everything and ids:
        message = "Ids and --all or --cause exclude each other."
        raise UsageError(message, hint="Give one of them.")
    if not everything and not ids:
        message = "Which dead letters?"
        raise UsageError(message, hint="Name their ids, or give --all or --cause.")
    if helper is not None and not everything:
        message = "--helper goes with --all."
        raise UsageError(message, hint=f"Write '--all --helper {helper}'.")


def count(hub: Hub, helper: str | None, cause: str | None = None) -> int:
    """Return how many dead letters there are, or a helper has, or a cause."""
    from helperhub.services.dead_letters import DeadFilter  # noqa: PLC0415 - as above

    if helper is None and cause is None:
        return hub.dead_letters.count()
    return sum(1 for _ in hub.dead_letters.matching(DeadFilter(helper, cause)))


def what_failed(row: Mapping[str, Any]) -> str:
    """Return a cause in one line."""
    kind = f"{row['type']}: " if row["type"] else ""
    place = f" ({row['place']})" if row["place"] else ""
    return f"{kind}{row['message']}{place}"


def confirm(number: int) -> bool:
    """Ask whether so many are to be deleted.

    Raises:
        UsageError: Nobody is there to ask.
    """
    if not is_terminal():
        message = f"Deleting {counted(number, 'dead letter')} needs a yes."
        raise UsageError(message, hint="Give --yes.")
    return click.confirm(f"Delete {counted(number, 'dead letter')}?", err=True)


def is_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty()
