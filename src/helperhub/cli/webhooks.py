"""``helperhub webhooks``: addresses that start helpers, made, listed, rotated, switched, deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.words import DurationWord, json_option

if TYPE_CHECKING:
    from helperhub.services.webhooks import Webhooks

_DAY = timedelta(days=1)
_KEEP = "Keep it now: nobody can see it again."


@click.group()
def webhooks() -> None:
    """Make and look after addresses at which others start helpers."""


@webhooks.command()
@click.argument("helper")
@click.option("--name", help="A word for people. Default: the helper's name.")
@click.option("--signed", is_flag=True, help="Take signed messages only (Standard Webhooks).")
@click.option("--max-body", type=click.IntRange(min=1), metavar="BYTES", help="Default: HELPERHUB_MAX_PAYLOAD.")
@json_option
def create(helper: str, name: str | None, max_body: int | None, *, signed: bool) -> None:
    """Make a webhook that starts HELPER and print its path; nobody can see it again."""
    from helperhub.services.webhooks import WebhookWish  # noqa: PLC0415 - help must not import Redis

    token, secret, document = _open().create(WebhookWish(helper, name or helper[:80], signed=signed, max_body=max_body))
    if wants_json():
        echo_document({"token": token, "path": f"/webhook/{token}", "secret": secret, **document})
        return
    click.echo(f"/webhook/{token}")
    if secret:
        click.echo(secret)
    click.echo(f"{_KEEP} It is webhook {document['id']}.", err=True)


@webhooks.command("list")
@json_option
def list_webhooks() -> None:
    """List all webhooks."""
    found = _open().all()
    if wants_json():
        echo_document({"webhooks": found})
        return
    columns = [Column("id", Kind.ID), Column("name"), Column("helper"), Column("takes"), Column("overlap ends")]
    rows = [
        [
            one["id"],
            one["name"],
            one["helper"],
            "nothing" if not one["enabled"] else "signed messages" if one["signed"] else "messages",
            one["overlap_ends_at"] or "",
        ]
        for one in found
    ]
    echo_table(columns, rows, empty="There is no webhook yet. 'helperhub webhooks create HELPER' makes one.")


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@click.option("--secret", "of_secret", is_flag=True, help="The secret of signatures, not the token.")
@click.option(
    "--overlap", type=DurationWord(), default=_DAY, metavar="DURATION", help="The old one's end. Default: 1d."
)
@json_option
def rotate(webhook_id: str, overlap: timedelta, *, of_secret: bool) -> None:
    """Make a new token, or secret, and print it; the old one goes on for a while."""
    service = _open()
    if of_secret:
        secret, document = service.rotate_secret(webhook_id, overlap=overlap)
        made = {"secret": secret}
    else:
        token, document = service.rotate_token(webhook_id, overlap=overlap)
        made = {"token": token, "path": f"/webhook/{token}"}
    if wants_json():
        echo_document({**made, **document})
        return
    click.echo(made.get("path") or made["secret"])
    click.echo(_KEEP, err=True)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@click.option("--reason", default="", help="Why, for the audit.")
@json_option
def enable(webhook_id: str, reason: str) -> None:
    """Let a webhook take messages again."""
    _switch(webhook_id, reason, enabled=True)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@click.option("--reason", default="", help="Why, for the audit.")
@json_option
def disable(webhook_id: str, reason: str) -> None:
    """Refuse a webhook's messages until it is enabled."""
    _switch(webhook_id, reason, enabled=False)


@webhooks.command()
@click.argument("webhook_id", metavar="ID")
@json_option
def delete(webhook_id: str) -> None:
    """Forget a webhook: its next message is refused."""
    _open().delete(webhook_id)
    if wants_json():
        echo_document({"id": webhook_id, "deleted": True})
    else:
        click.echo(f"{webhook_id} is deleted.")


def _switch(webhook_id: str, reason: str, *, enabled: bool) -> None:
    document = _open().switch(webhook_id, enabled=enabled, reason=reason)
    if wants_json():
        echo_document(document)
    else:
        click.echo(f"{webhook_id} takes {'messages again' if enabled else 'nothing any more'}.")


def _open() -> Webhooks:
    return current_call().open_hub().webhooks


__all__ = ["webhooks"]
