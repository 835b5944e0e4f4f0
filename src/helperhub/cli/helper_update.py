"""``helperhub helpers update``: change a helper at run time, beside what its plugin declares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import counted, echo_document, wants_json
from helperhub.cli.words import (
    NO_LIMIT,
    DurationWord,
    JsonWord,
    LimitWord,
    is_given,
    json_option,
    read_notation,
    reason_option,
)
from helperhub.errors import UsageError
from helperhub.model.limits import LIMIT_NAMES

if TYPE_CHECKING:
    from helperhub.model.schedule import Schedule
    from helperhub.services.helpers import HelperChange

#: ``digest=daily 07:30`` has a name; ``daily 07:30 tz=UTC`` hasn't: a blank comes before its ``=``.
_NAMED = re.compile(r"([A-Za-z0-9._-]{1,80})=(.*)", re.DOTALL)


@click.command()
@click.argument("name")
@click.option(
    "--schedule",
    "schedules",
    multiple=True,
    metavar="[NAME=]SCHEDULE",
    help="'daily 07:30', 'every 30m', a cron line or JSON; replaces all schedules. May be repeated with names.",
)
@click.option("--priority", type=click.IntRange(1, 5), metavar="N", help="1 (first) to 5.")
@click.option("--expires-after", type=DurationWord(), metavar="DURATION", help="Don't start later than this after due.")
@click.option(
    "--payload", type=JsonWord(), metavar="JSON", help="For scheduled executions; also @file, or - for stdin."
)
@click.option("--concurrency", type=LimitWord(), metavar="N", help="Most that run at once; 'none' for no limit.")
@click.option("--concurrency-per-key", type=LimitWord(), metavar="N", help="Most of one key that run at once.")
@click.option("--rate", type=LimitWord(rate=True), metavar="N/SPAN", help="Most starts, such as 100/m; or 'none'.")
@click.option("--rate-per-key", type=LimitWord(rate=True), metavar="N/SPAN", help="Most starts of one key.")
@click.option("--callback", metavar="URL", help="Told of each end; '' for none.")
@click.option("--enable/--disable", "enabled", default=None, help="Plan its schedules, or don't.")
@click.option("--create", is_flag=True, help="Make the instance if there is none.")
@reason_option
@json_option
def update(name: str, schedules: tuple[str, ...], reason: str, **options: Any) -> None:
    """Change a helper's schedule, priority, expiry, payload, limits or switch.

    Limits count a helper with all its instances, and hold at once. An upgrade of its plugin leaves
    the change as it is; 'helperhub helpers reset' drops it.
    """
    from helperhub.services.helpers import HelperUpdate  # noqa: PLC0415 - help must not import Redis

    create = options.pop("create")
    words = {key: options.pop(key) for key in LIMIT_NAMES}
    limits = {key: None if value is NO_LIMIT else value for key, value in words.items() if value is not None}
    has_payload = is_given("payload")
    parsed, fields = read_schedules(schedules)
    given = {key: value for key, value in options.items() if value is not None and key != "payload"}
    if not (parsed or given or has_payload or create or limits):
        message = "Nothing to change."
        raise UsageError(message, hint="'helperhub helpers update --help' shows what can be.")
    wanted = HelperUpdate(
        schedules=parsed or None,
        payload=options["payload"],
        has_payload=has_payload,
        limits=limits,
        # An option says it more clearly than a key of the schedule's JSON.
        **{**fields, **given},
    )
    echo_change(current_call().open_hub().helpers.update(name, wanted, reason=reason, create=create))


def read_schedules(texts: Sequence[str]) -> tuple[dict[str, Schedule], dict[str, Any]]:
    """Return schedules by name, and what JSON of the HTTP API says of the helper itself.

    Raises:
        InvalidSchedule: One can't be understood.
        UsageError: Two have one name.
    """
    from helperhub.schedules.notation import parse_schedule, split_schedule_dict  # noqa: PLC0415 - as above

    schedules: dict[str, Schedule] = {}
    fields: dict[str, Any] = {}
    for text in texts:
        named = _NAMED.fullmatch(text)
        name, notation = (named[1], named[2]) if named else ("", text)
        if name in schedules:
            message = f"Two schedules are named '{name}'." if name else "Two schedules have no name."
            raise UsageError(
                message, hint="Name them: --schedule 'morning=daily 07:30' --schedule 'evening=daily 19:30'."
            )
        written = read_notation(notation)
        if isinstance(written, str):
            schedules[name] = parse_schedule(written)
        else:
            schedules[name], more = split_schedule_dict(written)
            fields |= more
    return schedules, fields


def echo_change(change: HelperChange) -> None:
    """Tell how the plan changed, or that only limits did."""
    if wants_json():
        echo_document(change.to_document())
        return
    state = "enabled" if change.enabled else "disabled"
    click.echo(f"{change.helper} is {state}: {counted(change.removed, 'due time')} removed, {change.planned} planned.")
