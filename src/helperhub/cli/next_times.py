"""``helperhub next``: when a schedule would fire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from helperhub.cli.call import current_call
from helperhub.cli.moments import read_clock, show_moment
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.words import InstantWord, json_option, read_notation
from helperhub.model.instant import to_rfc3339
from helperhub.model.schedule import Cron, Daily, Schedule
from helperhub.schedules.due_times import next_due
from helperhub.schedules.notation import check_schedule, parse_schedule
from helperhub.schedules.zones import load_zone


@click.command("next")
@click.argument("expression", metavar="EXPR")
@click.option("--tz", metavar="ZONE", help="Zone of the schedule, if it names none; default: HELPERHUB_TIMEZONE.")
@click.option("--after", type=InstantWord(), metavar="TIME", help="Due times after this; default: now.")
@click.option(
    "--count", type=click.IntRange(1, 10_000), default=5, show_default=True, metavar="N", help="How many due times."
)
@json_option
def next_times(expression: str, tz: str | None, after: datetime | None, count: int) -> None:
    """Show when a schedule would fire; asks no Redis.

    EXPR is 'daily 07:30', 'every 30m', 'cron 0 9 * * 1-5' or just '0 9 * * 1-5', '@daily',
    'once 2026-11-23T08:30:00Z', each with ' tz=Europe/Berlin' after it if need be, or the HTTP
    API's JSON.
    """
    schedule = parse_schedule(read_notation(expression))
    zone = _zone_of(schedule, tz)
    check_schedule(schedule, default_tz=zone)
    now = read_clock()
    fires = next_due(schedule, after=after or now, default_tz=zone, count=count)
    if wants_json():
        echo_document({"fires": [to_rfc3339(at) for at in fires]})
    else:
        _echo_fires(fires, zone if not isinstance(schedule, Daily | Cron) else schedule.tz or zone, now)


def _zone_of(schedule: Schedule, tz: str | None) -> str:
    if tz is not None:
        return tz
    if isinstance(schedule, Daily | Cron) and schedule.tz is None:
        return current_call().load_settings().settings.timezone
    return "UTC"


def _echo_fires(fires: Sequence[datetime], zone: str, now: datetime) -> None:
    local = load_zone(zone)
    columns = [Column("due", Kind.MOMENT), Column(zone)]
    rows = [[show_moment(at, now), at.astimezone(local).strftime("%a %Y-%m-%d %H:%M:%S %Z")] for at in fires]
    echo_table(columns, rows, empty="It never fires after that.")
