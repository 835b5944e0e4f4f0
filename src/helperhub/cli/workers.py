"""``helperhub workers``: list, pause, resume."""

from __future__ import annotations

import click

from helperhub.cli.call import current_call
from helperhub.cli.moments import read_clock, show_moment
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.words import json_option
from helperhub.model.instant import parse_instant


@click.group()
def workers() -> None:
    """List, pause and resume worker processes."""


@workers.command("list")
@json_option
def list_workers() -> None:
    """List the worker processes of all machines, and what their threads run."""
    found = current_call().open_hub().workers.all()
    if wants_json():
        echo_document({"workers": found})
        return
    now = read_clock()
    columns = [
        Column("id", Kind.ID),
        Column("state"),
        Column("running", Kind.NUMBER),
        Column("version"),
        Column("memory", Kind.NUMBER),
        Column("queues"),
        Column("since", Kind.MOMENT),
    ]
    rows = [
        [
            worker["id"],
            worker["status"],
            f"{worker['running']}/{worker['threads']}",
            worker["version"],
            f"{worker['memory_bytes'] / 1e6:.0f} MB" if worker["memory_bytes"] else "-",
            ", ".join(worker["queues"]) or "all",
            show_moment(parse_instant(worker["joined_at"]), now),
        ]
        for worker in found
    ]
    echo_table(columns, rows, empty="No worker process is at work. Start 'helperhub up' or 'helperhub worker'.")
    doing = [
        [id_, str(one["thread"]), one["helper"] or "-", one["id"], show_moment(parse_instant(one["since"]), now)]
        for id_, one in ((worker["id"], one) for worker in found for one in worker["doing"])
    ]
    if doing:
        click.echo()
        heads = [Column("id", Kind.ID), Column("thread", Kind.NUMBER), Column("runs")]
        echo_table([*heads, Column("execution", Kind.ID), Column("since", Kind.MOMENT)], doing, empty="")


@workers.command()
@click.argument("worker_id", metavar="ID")
@json_option
def pause(worker_id: str) -> None:
    """Let a worker process take nothing more; what it runs goes on."""
    current_call().open_hub().workers.pause(worker_id)
    _echo_paused(worker_id, paused=True)


@workers.command()
@click.argument("worker_id", metavar="ID")
@json_option
def resume(worker_id: str) -> None:
    """Let a worker process take work again."""
    current_call().open_hub().workers.resume(worker_id)
    _echo_paused(worker_id, paused=False)


def _echo_paused(worker_id: str, *, paused: bool) -> None:
    if wants_json():
        echo_document({"worker": worker_id, "paused": paused})
    else:
        click.echo(f"Worker process '{worker_id}' {'is paused' if paused else 'takes work'}.")
