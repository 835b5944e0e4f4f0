"""``helperhub keys``: API keys made, listed, rotated, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.words import DurationWord, json_option
from helperhub.model.access import Scope

if TYPE_CHECKING:
    from helperhub.services.api_keys import ApiKeys

_DAYS = timedelta(days=90)


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke the keys of the HTTP API."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([*Scope], case_sensitive=False),
    help="What it may do; may be repeated. manage also reads and runs, admin does everything.",
)
@click.option("--helper", "helpers", multiple=True, metavar="NAME", help="Only this helper; may be repeated.")
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="Only this queue; may be repeated.")
@click.option("--expires-in", type=DurationWord(), default=_DAYS, metavar="DURATION", help="Default: 90d.")
@click.option("--no-expiry", is_flag=True, help="It never expires.")
@json_option
def create(
    name: str,
    scopes: tuple[str, ...],
    helpers: tuple[str, ...],
    queues: tuple[str, ...],
    expires_in: timedelta,
    *,
    no_expiry: bool,
) -> None:
    """Make a key and print it; nobody can see it again.

    NAME is a word for people, by which they know it again.
    """
    from helperhub.services.api_keys import KeyWish  # noqa: PLC0415 - help must not import Redis

    wish = KeyWish(
        name,
        frozenset(Scope(scope) for scope in scopes),
        frozenset(helpers),
        frozenset(queues),
        None if no_expiry else expires_in,
    )
    _tell_new(*_open().create(wish))


@keys.command("list")
@json_option
def list_keys() -> None:
    """List all keys, expired ones too, and when each was used last."""
    found = _open().all()
    if wants_json():
        echo_document({"keys": found})
        return
    columns = [Column("id", Kind.ID), Column("name"), Column("may"), Column("only"), Column("expires"), Column("used")]
    rows = [
        [
            key["id"],
            key["name"],
            ", ".join(key["scopes"]),
            ", ".join([*key["helpers"], *(f"queue {queue}" for queue in key["queues"])]),
            "expired" if key["expired"] else key["expires_at"] or "never",
            key["last_used_at"] or "never",
        ]
        for key in found
    ]
    echo_table(columns, rows, empty="There is no key yet. 'helperhub keys create NAME --scope read' makes one.")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    type=DurationWord(),
    default=timedelta(days=1),
    metavar="DURATION",
    help="The old one's end. Default: 1d.",
)
@json_option
def rotate(key_id: str, overlap: timedelta) -> None:
    """Make a key's successor and print it; the old one goes on for a while."""
    _tell_new(*_open().rotate(key_id, overlap=overlap))


@keys.command()
@click.argument("key_id", metavar="ID")
@json_option
def revoke(key_id: str) -> None:
    """Forget a key: its next request is refused."""
    _open().revoke(key_id)
    if wants_json():
        echo_document({"id": key_id, "revoked": True})
    else:
        click.echo(f"{key_id} is revoked.")


def _open() -> ApiKeys:
    return current_call().open_hub().api_keys


def _tell_new(text: str, document: dict[str, Any]) -> None:
    if wants_json():
        echo_document({"key": text, **document})
        return
    click.echo(text)
    ends = f"It expires at {document['expires_at']}." if document["expires_at"] else "It never expires."
    click.echo(f"Keep it now: nobody can see it again. {ends}", err=True)


__all__ = ["keys"]
