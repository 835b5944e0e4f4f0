"""``helperhub callbacks``: what was told to URLs, and the secret that it is signed with."""

from __future__ import annotations

import click

from helperhub.cli.call import current_call
from helperhub.cli.moments import read_clock, show_moment
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.words import json_option
from helperhub.model.execution import Status
from helperhub.model.instant import parse_instant

_STATES = [status.value for status in Status]


@click.group()
def callbacks() -> None:
    """See how URLs were told of ends, and tell them again."""


@callbacks.command("list")
@click.option("--execution", metavar="ID", help="Of this execution.")
@click.option("--status", "statuses", type=click.Choice(_STATES), multiple=True, help="In this state; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@json_option
def list_callbacks(execution: str | None, statuses: tuple[str, ...], limit: int) -> None:
    """List the newest callbacks; success is taken, error is given up."""
    from helperhub.services.callbacks import CallbackFilter  # noqa: PLC0415 - help must not import Redis

    wanted = CallbackFilter(execution, frozenset(map(Status, statuses)))
    found = current_call().open_hub().callbacks.find(wanted, limit=limit)
    if wants_json():
        echo_document({"callbacks": found})
        return
    now = read_clock()
    columns = [Column("id", Kind.ID), Column("when", Kind.MOMENT), Column("state"), Column("url"), Column("answer")]
    rows = [
        [
            one["id"],
            show_moment(parse_instant(one["finished_at"] or one["due_at"]), now),
            one["status"],
            one["url"] or "",
            f"{one['answer']['status']} after {one['answer']['ms']} ms" if one["answer"] else one["reason"],
        ]
        for one in found
    ]
    echo_table(columns, rows, empty="Nobody was called back, as far as is kept.")


@callbacks.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
def replay(ids: tuple[str, ...]) -> None:
    """Send callbacks once more: the same document under the same webhook-id."""
    service = current_call().open_hub().callbacks
    done = [{"id": service.replay(callback_id), "replay_of": callback_id} for callback_id in ids]
    if wants_json():
        echo_document({"replayed": done})
        return
    for one in done:
        click.echo(f"{one['replay_of']} is sent again as {one['id']}")


@callbacks.command()
@json_option
def secret() -> None:
    """Print the secret that receivers check signatures with, as Standard Webhooks writes it.

    It follows from the first key of HELPERHUB_SIGNING__KEYS. While older keys are in the ring, what is sent is
    signed for their secrets too.
    """
    text = current_call().open_hub(may_lack_redis=True).callback_secrets.all()[0]
    if wants_json():
        echo_document({"secret": text})
    else:
        click.echo(text)


__all__ = ["callbacks"]
