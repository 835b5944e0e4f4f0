"""``helperhub helpers run``: enqueue one execution, and wait for it if asked to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.execution_story import echo_execution
from helperhub.cli.output import echo_document, wants_json
from helperhub.cli.words import DurationWord, InstantWord, JsonWord, PairWord, json_option, timeout_option
from helperhub.errors import UsageError
from helperhub.model.execution import Status, Trigger

if TYPE_CHECKING:
    from helperhub.model.execution import Execution
    from helperhub.model.identity import ExecutionId


@click.command()
@click.argument("name")
@click.option(
    "--payload",
    type=JsonWord(),
    metavar="JSON",
    help="What it is given; also @file, or - for stdin. Default: as planned.",
)
@click.option("--delay", type=DurationWord(), metavar="DURATION", help="Start it after this.")
@click.option("--at", type=InstantWord(), metavar="TIME", help="Start it then, instead of --delay.")
@click.option("--priority", type=click.IntRange(1, 5), metavar="N", help="1 (first) to 5; default: the helper's.")
@click.option("--id", "execution_id", metavar="ID", help="Its id; the same id again changes nothing.")
@click.option("--unique-key", metavar="KEY", help="Nothing new while one of the helper with this key isn't over.")
@click.option("--unique-for", type=DurationWord(), metavar="DURATION", help="With --unique-key: for so long instead.")
@click.option("--callback", metavar="URL", help="Told when it ends, instead of the helper's.")
@click.option("--meta", type=PairWord(), multiple=True, metavar="NAME=VALUE", help="Kept with it; may be repeated.")
@click.option("--wait", is_flag=True, help="Wait for its end: exits with 0 if that is success, else with 1.")
@timeout_option
@json_option
def run(name: str, timeout: timedelta, *, wait: bool, **options: Any) -> int:
    """Run a helper once, now or later; prints the execution's id."""
    if options["delay"] is not None and options["at"] is not None:
        message = "--delay and --at exclude each other."
        raise UsageError(message, hint="Give one of them.")
    hub = current_call().open_hub()
    execution_id = hub.enqueue(
        name,
        options["payload"],
        delay=options["delay"],
        at=options["at"],
        priority=options["priority"],
        id=options["execution_id"],
        metadata=dict(options["meta"]) or None,
        trigger=Trigger.MANUAL,
        unique_key=options["unique_key"],
        unique_for=options["unique_for"],
        callback=options["callback"],
    )
    if not wait:
        if wants_json():
            echo_document({"id": execution_id, "helper": name, "existed": execution_id.existed})
        else:
            _echo_id(execution_id)
        return 0
    if not wants_json():
        _echo_id(execution_id)  # at once: whoever loses patience still knows it
    return echo_end(hub.wait(execution_id, timeout=timeout), timeout)


def _echo_id(execution_id: ExecutionId) -> None:
    click.echo(execution_id)
    if execution_id.existed:
        click.echo("helperhub: it was there already; nothing was enqueued", err=True)


def echo_end(execution: Execution, timeout: timedelta) -> int:
    """Show how an execution ended; return 0 for success, else 1.

    Args:
        execution: As it stands.
        timeout: How long it was waited for.
    """
    if wants_json():
        echo_document(execution.to_document())
    else:
        echo_execution(execution, progress=None)
    if not execution.status.final:
        click.echo(f"helperhub: it is still {execution.status.value} after {timeout.total_seconds():g} s", err=True)
    return 0 if execution.status is Status.SUCCESS else 1
