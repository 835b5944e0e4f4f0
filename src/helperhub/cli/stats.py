"""``helperhub stats``: what happened over a span, from the archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from helperhub.cli.call import current_call
from helperhub.cli.moments import show_span
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.words import InstantWord, helper_option, json_option, limit_option

if TYPE_CHECKING:
    from helperhub.services.statistics import Wish

F = TypeVar("F", bound=Callable[..., Any])
_ORDERS = ("busiest", "failing", "slowest", "flakiest", "costliest")
_OUTCOMES = ("success", "error", "expired", "cancelled", "skipped")
_NONE = "Nothing ended in that span, as far as the archive knows."


@click.group()
def stats() -> None:
    """See what happened over a span: by helper, queue, hour and day, against the span before.

    Executions count when they ended. Days are those of UTC. The archive keeps the sums of days for ever, those of
    hours 90 days.
    """


def _span_options(function: F) -> F:
    """Add ``--since``, ``--until``, ``--queue``, ``--helper`` and ``--json``."""
    for option in (
        json_option,
        helper_option,
        click.option("--queue", metavar="NAME", help="Only this queue."),
        click.option("--until", type=InstantWord(ago=True), metavar="TIME", help="Before; now unless given."),
        click.option(
            "--since",
            type=InstantWord(ago=True),
            metavar="TIME",
            help="At or after; a duration counts back. 7 days before --until unless given.",
        ),
    ):
        function = option(function)
    return function


def _order_option(function: F) -> F:
    return click.option(
        "--order", type=click.Choice(_ORDERS), default="busiest", show_default=True, help="What comes first."
    )(function)


@stats.command()
@_span_options
def summary(since: datetime | None, until: datetime | None, queue: str | None, helper: str | None) -> None:
    """Show a span as a whole, beside the one of the same length before it."""
    found = current_call().open_hub(may_lack_redis=True).statistics.summary(_wish(since, until, queue, helper))
    if wants_json():
        echo_document(found)
        return
    now, before = found["now"], found["before"]
    columns = [Column("what"), Column("now", Kind.NUMBER), Column("before", Kind.NUMBER), Column("change", Kind.NUMBER)]
    change = found["change"]
    names = {"executions": "executions", "error": "errors", "retries": "retries"}
    rows = [[name, str(now[name]), str(before[name]), _signed(change[key])] for name, key in names.items()]
    rate = change["completion_rate"]
    points = "-" if rate is None else f"{rate * 100:+.1f} points"
    rows.append(["completion rate", _share(now["completion_rate"]), _share(before["completion_rate"]), points])
    for label, what, name in (("wait p95", "wait", "p95"), ("run mean", "run", "mean"), ("run p95", "run", "p95")):
        values = (figures[what][f"{name}_ms"] for figures in (now, before))
        rows.append([label, *map(_time, values), _signed(change[f"{what}_{name}"])])
    work = (_time(figures["worker_seconds"] * 1000) for figures in (now, before))
    rows.append(["worker time", *work, _signed(change["worker_seconds"])])
    click.echo(f"From {found['since']} until {found['until']}, and as long before.", err=True)
    echo_table(columns, rows, empty=_NONE)


@stats.command()
@_order_option
@click.option(
    "--at-least", type=click.IntRange(min=1), default=1, show_default=True, help="Leave out what ended less often."
)
@limit_option
@_span_options
def helpers(
    since: datetime | None,
    until: datetime | None,
    queue: str | None,
    helper: str | None,
    order: str,
    at_least: int,
    limit: int,
) -> None:
    """List helpers and instances: how often, how well, how long, at what cost."""
    statistics = current_call().open_hub(may_lack_redis=True).statistics
    wish = _wish(since, until, queue, helper)
    _echo_rows(statistics.helpers(wish, order=order, limit=limit, at_least=at_least), "helper")


@stats.command()
@_order_option
@limit_option
@_span_options
def queues(
    since: datetime | None, until: datetime | None, queue: str | None, helper: str | None, order: str, limit: int
) -> None:
    """List queues: how much went through each, how long it waited and ran."""
    statistics = current_call().open_hub(may_lack_redis=True).statistics
    _echo_rows(statistics.queues(_wish(since, until, queue, helper), order=order, limit=limit), "queue")


@stats.command()
@click.option("--tz", metavar="ZONE", help="Zone of the hours, an IANA name; the hub's unless given.")
@_span_options
def hours(
    since: datetime | None, until: datetime | None, queue: str | None, helper: str | None, tz: str | None
) -> None:
    """Show which hours of the week are the busiest."""
    hub = current_call().open_hub(may_lack_redis=True)
    found = hub.statistics.hours(
        _wish(since, until, queue, helper), timezone=hub.settings.timezone if tz is None else tz
    )
    if wants_json():
        echo_document(found)
        return
    rows = [[one["weekday"], f"{one['hour']:02}:00", str(one["executions"])] for one in found["busiest"]]
    click.echo(f"Since {found['since']}, in {found['timezone']}.", err=True)
    echo_table([Column("weekday"), Column("hour"), Column("executions", Kind.NUMBER)], rows, empty=_NONE)


@stats.command()
@click.option(
    "--by", type=click.Choice(("hour", "day")), default="day", show_default=True, help="Length of a step, UTC."
)
@click.option("--times", is_flag=True, help="Also mean and p95 of waits and runs.")
@_span_options
def series(
    since: datetime | None, until: datetime | None, queue: str | None, helper: str | None, by: str, *, times: bool
) -> None:
    """Show figures hour by hour or day by day."""
    statistics = current_call().open_hub(may_lack_redis=True).statistics
    found = statistics.series(_wish(since, until, queue, helper), by=by, times=times)
    if wants_json():
        echo_document(found)
        return
    numbers = ("executions", *_OUTCOMES, "retries")
    spans = [name for name in ("wait_mean_ms", "wait_p95_ms", "run_mean_ms", "run_p95_ms") if times]
    columns = [Column(by, Kind.MOMENT), *(Column(name, Kind.NUMBER) for name in numbers)]
    columns += [Column(name.removesuffix("_ms").replace("_", " "), Kind.NUMBER) for name in spans]
    rows = [
        [start, *(str(found[name][i]) for name in numbers), *(_time(found[name][i]) for name in spans)]
        for i, start in enumerate(found["start"])
    ]
    echo_table(columns, rows, empty=_NONE)


def _wish(since: datetime | None, until: datetime | None, queue: str | None, helper: str | None) -> Wish:
    from helperhub.archive.statistics import Which  # noqa: PLC0415 - help must not import SQLAlchemy
    from helperhub.services.statistics import Wish  # noqa: PLC0415 - as above

    return Wish(since, until, Which(helper=helper, queue=queue))


def _echo_rows(found: Mapping[str, Any], noun: str) -> None:
    rows: Sequence[Mapping[str, Any]] = found[f"{noun}s"]
    if wants_json():
        echo_document(found)
        return
    headings = ("ended", "error", "complete", "retries", "wait p95", "run mean", "run p95", "worker time")
    columns = [Column(noun, Kind.ID), *(Column(heading, Kind.NUMBER) for heading in headings)]
    cells = [
        [
            one[noun],
            str(one["executions"]),
            str(one["error"]),
            _share(one["completion_rate"]),
            str(one["retries"]),
            *map(_time, (one["wait"]["p95_ms"], one["run"]["mean_ms"], one["run"]["p95_ms"])),
            _time(one["worker_seconds"] * 1000),
        ]
        for one in rows
    ]
    click.echo(f"From {found['since']} until {found['until']}, {found['order']} first.", err=True)
    echo_table(columns, cells, empty=_NONE)


def _share(rate: float | None) -> str:
    return "-" if rate is None else f"{rate * 100:.1f} %"


def _signed(change: float | None) -> str:
    return "-" if change is None else f"{change * 100:+.0f} %"


def _time(ms: float | None) -> str:
    return "-" if ms is None else show_span(timedelta(milliseconds=ms))


__all__ = ["stats"]
