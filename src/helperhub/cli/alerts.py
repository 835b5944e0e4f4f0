"""``helperhub alerts``: what fires, taken on, and above what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import Column, Kind, echo_document, echo_facts, echo_table, wants_json
from helperhub.cli.words import json_option

if TYPE_CHECKING:
    from helperhub.services.alerts import Alerts


@click.group()
def alerts() -> None:
    """See what is wrong, take it on, change above what it is told."""


@alerts.command("list")
@click.option("--all", "with_resolved", is_flag=True, help="Resolved ones too.")
@json_option
def list_alerts(*, with_resolved: bool) -> None:
    """List alerts that fire, newest first."""
    found = _open().all(resolved=with_resolved)
    if wants_json():
        echo_document({"alerts": found})
        return
    columns = [Column("id", Kind.ID), Column("state"), Column("severity"), Column("rule"), Column("subject")]
    columns += [Column("since", Kind.MOMENT), Column("what")]
    names = ("id", "state", "severity", "rule", "subject", "since", "text")
    rows = [[one[name] or "" for name in names] for one in found]
    echo_table(columns, rows, empty="Nothing fires.")


@alerts.command()
@click.argument("alert_id", metavar="ID")
@json_option
def show(alert_id: str) -> None:
    """Show one alert."""
    found = _open().show(alert_id)
    if wants_json():
        echo_document(found)
        return
    echo_facts([(name.replace("_", " "), str(value)) for name, value in found.items() if value not in (None, "")])


@alerts.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--note", default="", help="What the others should know.")
@json_option
def ack(ids: tuple[str, ...], note: str) -> None:
    """Take alerts on: nobody is reminded of them, and they aren't escalated."""
    service = _open()
    found = [service.acknowledge(id_, note=note) for id_ in ids]
    if wants_json():
        echo_document({"alerts": found})
        return
    for one in found:
        click.echo(f"{one['id']} is acknowledged by {one['acknowledged_by']}: {one['text']}")


@alerts.command()
@json_option
def rules() -> None:
    """List the rules, and above what each fires."""
    found = _open().rules()
    if wants_json():
        echo_document({"rules": found})
        return
    columns = [Column("rule"), Column("fires above"), Column("severity"), Column("of their own"), Column("what")]
    rows = [
        [
            one["rule"],
            one["shown"] if one["threshold"] == one["setting"] else f"{one['shown']} (changed)",
            one["severity"],
            ", ".join(f"{own['subject']}: {own['shown']}" for own in one["subjects"]),
            one["about"],
        ]
        for one in found
    ]
    echo_table(columns, rows, empty="There are no rules.")


@alerts.command("set")
@click.argument("rule")
@click.argument("threshold")
@click.option("--helper", metavar="HELPER[/INSTANCE]", help="For this helper only.")
@click.option("--queue", help="For this queue only.")
@json_option
def set_threshold(rule: str, threshold: str, helper: str | None, queue: str | None) -> None:
    """Let RULE fire above THRESHOLD from now on, such as 20, 90s, 80% or off."""
    from helperhub.services.alerts import find_rule, parse_threshold  # noqa: PLC0415 - help must not import Redis

    value = parse_threshold(find_rule(rule), threshold)
    _echo_rule(_open().set(rule, value, subject=_subject(helper, queue)), _subject(helper, queue))


@alerts.command()
@click.argument("rule")
@click.option("--helper", metavar="HELPER[/INSTANCE]", help="For this helper only.")
@click.option("--queue", help="For this queue only.")
@json_option
def reset(rule: str, helper: str | None, queue: str | None) -> None:
    """Let the setting of RULE hold again."""
    _echo_rule(_open().reset(rule, subject=_subject(helper, queue)), _subject(helper, queue))


@alerts.command()
@json_option
def test() -> None:
    """Have a message sent to all targets, to see whether it arrives."""
    id_ = _open().test()
    if wants_json():
        echo_document({"id": id_})
        return
    click.echo(f"Notification {id_} is on its way, if a scheduler runs.")
    click.echo("What became of it: helperhub executions list --helper helperhub.alert", err=True)


def _subject(helper: str | None, queue: str | None) -> str:
    if helper and queue:
        message = "give --helper or --queue, not both"
        raise click.UsageError(message)
    return f"helper:{helper}" if helper else f"queue:{queue}" if queue else ""


def _echo_rule(found: dict[str, Any], subject: str) -> None:
    if wants_json():
        echo_document(found)
        return
    own = next((one["shown"] for one in found["subjects"] if one["subject"] == subject), found["shown"])
    of = f" for {subject}" if subject else ""
    click.echo(f"{found['rule']} {'is off' if own == 'off' else f'fires above {own}'}{of}.")


def _open() -> Alerts:
    return current_call().open_hub().alerts


__all__ = ["alerts"]
