"""``helperhub queues``: list, pause, resume, purge."""

from __future__ import annotations

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.undo import tell_undo
from helperhub.cli.words import json_option, reason_option


@click.group()
def queues() -> None:
    """List, pause, resume and purge queues."""


@queues.command("list")
@json_option
def list_queues() -> None:
    """List every queue ever used, with what waits and runs in it."""
    found = current_call().open_hub().queues.all()
    if wants_json():
        echo_document({"queues": [queue.to_document() for queue in found]})
        return
    numbers = ("ready", "parked", "delayed", "running", "success", "error", "other ends")
    columns = [Column("queue", Kind.ID), Column("state"), *(Column(name, Kind.NUMBER) for name in numbers)]
    rows = []
    for queue in found:
        totals = queue.totals
        others = totals["expired"] + totals["cancelled"] + totals["skipped"]
        waits = (queue.ready, queue.limited + queue.parked, queue.delayed)
        counts = (*waits, queue.running, totals["success"], totals["error"], others)
        rows.append([queue.name, "paused" if queue.paused else "open", *map(str, counts)])
    echo_table(columns, rows, empty="No queue has been used yet.")


@queues.command()
@click.argument("name")
@json_option
def pause(name: str) -> None:
    """Hand out nothing more from a queue; what runs goes on, what comes waits."""
    current_call().open_hub().queues.pause(name)
    _echo_paused(name, paused=True)


@queues.command()
@click.argument("name")
@json_option
def resume(name: str) -> None:
    """Hand out from a queue again."""
    current_call().open_hub().queues.resume(name)
    _echo_paused(name, paused=False)


@queues.command()
@click.argument("name")
@reason_option
@json_option
def purge(name: str, reason: str) -> None:
    """Cancel all that waits in a queue.

    Dead letters stay, and so does the record of what is cancelled: 'helperhub undo' enqueues it again
    for 10 minutes, 'helperhub executions replay' puts it back later.
    """
    from helperhub.services.undo import Change  # noqa: PLC0415 - help must not import Redis

    hub = current_call().open_hub()
    change = hub.undo.begin(Change.PURGE, name)
    purged = hub.queues.purge(name, reason=reason, undo=change)
    can_undo = hub.undo.id_of(change)
    if wants_json():
        echo_document({"queue": name, "purged": purged, "undo": can_undo})
    else:
        click.echo(f"{purged} cancelled in queue '{name}'.")
        tell_undo(can_undo)


def _echo_paused(name: str, *, paused: bool) -> None:
    if wants_json():
        echo_document({"queue": name, "paused": paused})
    else:
        click.echo(f"Queue '{name}' is {'paused' if paused else 'open'}.")
