"""``helperhub helpers``: list, show, enable, disable, pause, resume, update, reset, run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.helper_run import run
from helperhub.cli.helper_update import echo_change, update
from helperhub.cli.moments import read_clock, show_moment
from helperhub.cli.output import Column, Kind, echo_document, echo_facts, echo_table, show_json, wants_json
from helperhub.cli.words import json_option, reason_option
from helperhub.model.instant import parse_instant

if TYPE_CHECKING:
    from datetime import datetime

    from helperhub.services.helpers import HelperChange


@click.group()
def helpers() -> None:
    """List, show, enable, disable, pause, resume, update and run helpers.

    NAME is a helper's name, or helper/instance.
    """


helpers.add_command(update)
helpers.add_command(run)


@helpers.command("list")
@json_option
def list_helpers() -> None:
    """List every helper with its schedule and when it runs next."""
    found = current_call().open_hub().helpers.all()
    if wants_json():
        echo_document({"helpers": found})
        return
    now = read_clock()
    columns = [Column("helper", Kind.ID), Column("state"), Column("schedule"), Column("next", Kind.MOMENT)]
    rows = [
        [
            helper["name"],
            _show_state(helper),
            helper["schedule"] or "when asked",
            _show_next(helper, now),
        ]
        for helper in found
    ]
    empty = "No helper is registered. Install a plugin with pip, then start 'helperhub up' or 'helperhub scheduler'."
    echo_table(columns, rows, empty=empty)


@helpers.command()
@click.argument("name")
@json_option
def show(name: str) -> None:
    """Show one helper: what its author declared and what operators changed."""
    hub = current_call().open_hub()
    helper = hub.helpers.show(name)
    if wants_json():
        echo_document(helper)
        return
    override = helper["override"]
    facts = [
        ("helper", helper["name"]),
        ("description", helper["description"]),
        ("state", _show_state(helper) + (f": {helper['pause_reason']}" if helper["pause_reason"] else "")),
        ("schedule", helper["schedule"] or "when asked"),
        ("next", _show_next(helper, read_clock())),
        ("queue", f"{helper['queue']}, priority {helper['priority']}"),
        ("expires", f"{helper['expires_after']} after it is due" if helper["expires_after"] else "never"),
        ("attempts", str(helper["max_attempts"] or "as its queue says")),
        ("time limit", helper["time_limit"] or "as its queue says"),
        ("overlap", helper["overlap"]),
        ("limits", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in helper["limits"].items())),
        ("payload", "" if helper["payload"] is None else show_json(helper["payload"])),
        ("plugin", f"{helper['plugin']} {helper['plugin_version']}".strip()),
        ("changed", show_json(override) if override else ""),
        ("sentry", "\n".join(monitor.text for monitor in hub.check_ins.monitors(name)) if hub.check_ins else ""),
    ]
    echo_facts(facts)


@helpers.command()
@click.argument("name")
@reason_option
@json_option
def enable(name: str, reason: str) -> None:
    """Plan a helper's schedules from now on."""
    echo_change(current_call().open_hub().helpers.enable(name, reason=reason))


@helpers.command()
@click.argument("name")
@reason_option
@json_option
def disable(name: str, reason: str) -> None:
    """Take a helper's future due times out of the plan; history stays."""
    echo_change(current_call().open_hub().helpers.disable(name, reason=reason))


@helpers.command()
@click.argument("name")
@reason_option
@json_option
def pause(name: str, reason: str) -> None:
    """Start nothing of a helper with all its instances; planning goes on, and what is due waits.

    What waits expires as ever. What runs goes on.
    """
    _echo_paused(current_call().open_hub().helpers.pause(name, reason=reason), paused=True)


@helpers.command()
@click.argument("name")
@reason_option
@json_option
def resume(name: str, reason: str) -> None:
    """Start what waits for a paused helper, at once."""
    _echo_paused(current_call().open_hub().helpers.resume(name, reason=reason), paused=False)


@helpers.command()
@click.argument("name")
@json_option
def reset(name: str) -> None:
    """Drop what operators changed: what the plugin declares holds again."""
    echo_change(current_call().open_hub().helpers.reset(name))


def _echo_paused(change: HelperChange, *, paused: bool) -> None:
    if wants_json():
        echo_document(change.to_document())
    else:
        click.echo(f"{change.helper} is paused: what is due waits." if paused else f"{change.helper} goes on.")


def _show_state(helper: dict[str, Any]) -> str:
    state = "enabled" if helper["enabled"] else "disabled"
    return f"{state}, paused" if helper["paused"] else state


def _show_next(helper: dict[str, Any], now: datetime) -> str:
    text = helper["next_due_at"]
    return show_moment(parse_instant(text), now) if text else ""
