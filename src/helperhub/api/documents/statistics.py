"""Statistics and reports, from the archive."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from helperhub.api.documents.base import TIME, Document

_WEEK_AGO = "2026-11-16T08:00:00Z"


class TimesDocument(Document):
    """How long something took; null where nothing did."""

    mean_ms: float | None = Field(examples=[118.2])
    """The mean."""
    p50_ms: float | None = Field(examples=[96.0])
    """What half didn't exceed; this and the next are right to 5 %."""
    p95_ms: float | None = Field(examples=[310.0])
    """What 95 of 100 didn't exceed."""
    p99_ms: float | None = Field(examples=[640.0])
    """What 99 of 100 didn't exceed."""


class FiguresDocument(Document):
    """Executions that ended in a span, counted and timed."""

    executions: int = Field(examples=[1042])
    """How many ended."""
    success: int = Field(examples=[1030])
    """Those that succeeded."""
    error: int = Field(examples=[7])
    """Those that were given up."""
    expired: int = Field(examples=[2])
    """Those that expired before they could start."""
    cancelled: int = Field(examples=[1])
    """Those that somebody cancelled."""
    skipped: int = Field(examples=[2])
    """Due times that were skipped."""
    completion_rate: float | None = Field(examples=[0.9913])
    """Share (0.0 to 1.0) that succeeded, of those that succeeded, failed or expired; null if none did."""
    retries: int = Field(examples=[31])
    """Attempts after the first."""
    redeliveries: int = Field(examples=[0])
    """Hand-outs after the first that weren't retries."""
    failed_attempts: float | None = Field(examples=[0.0356])
    """Share (0.0 to 1.0) of attempts that failed; null if there were none."""
    worker_seconds: float = Field(examples=[123.164])
    """How long they held a worker's thread."""
    wait: TimesDocument
    """From when each was due, or enqueued if that was later, to its start."""
    run: TimesDocument
    """From its start to its end."""


class HelperFiguresDocument(FiguresDocument):
    """The figures of a helper or instance."""

    helper: str = Field(examples=["weather/berlin"])
    """``helper[/instance]``."""


class QueueFiguresDocument(FiguresDocument):
    """The figures of a queue."""

    queue: str = Field(examples=["default"])
    """The queue."""


class ChangeDocument(Document):
    """How figures have changed, as a share of what they were: 0.1 is a tenth more; null if they were 0."""

    executions: float | None = Field(examples=[0.12])
    """Executions that ended."""
    errors: float | None = Field(examples=[-0.5])
    """Those that were given up."""
    retries: float | None = Field(examples=[0.0])
    """Attempts after the first."""
    completion_rate: float | None = Field(examples=[0.0042])
    """The difference of the two rates."""
    wait_p95: float | None = Field(examples=[0.03])
    """What 95 of 100 waits didn't exceed."""
    run_mean: float | None = Field(examples=[-0.08])
    """The mean run."""
    run_p95: float | None = Field(examples=[-0.1])
    """What 95 of 100 runs didn't exceed."""
    worker_seconds: float | None = Field(examples=[0.03])
    """Worker time."""


class _Spanned(Document):
    since: str = Field(examples=[_WEEK_AGO])
    """From when on, widened to a whole hour or day."""
    until: str = Field(examples=[TIME])
    """Till when, widened to a whole hour or day."""


class SummaryDocument(_Spanned):
    """A span as a whole, beside the one of the same length before it."""

    now: FiguresDocument
    """Its figures."""
    before: FiguresDocument
    """Those of the span before."""
    change: ChangeDocument
    """How they have changed."""


class HelperFiguresList(_Spanned):
    """Helpers and instances with their figures."""

    order: str = Field(examples=["busiest"])
    """What comes first."""
    helpers: list[HelperFiguresDocument]
    """The first of that order."""


class QueueFiguresList(_Spanned):
    """Queues with their figures."""

    order: str = Field(examples=["busiest"])
    """What comes first."""
    queues: list[QueueFiguresDocument]
    """The first of that order."""


class HourDocument(Document):
    """An hour of the week."""

    weekday: str = Field(examples=["monday"])
    """Its day."""
    hour: int = Field(examples=[9])
    """0 to 23."""
    executions: int = Field(examples=[120])
    """How many ended in it, all weeks of the span together."""


class HoursDocument(_Spanned):
    """How many executions ended in each hour of the week."""

    timezone: str = Field(examples=["Europe/Berlin"])
    """Zone of these hours."""
    counts: list[list[int]] = Field(examples=[[[3, 1, 0], [2, 4, 1]]])
    """Seven days from Monday, each with 24 hours."""
    busiest: list[HourDocument]
    """The hours in which most ended."""


class SeriesDocument(_Spanned):
    """Figures hour by hour or day by day, as arrays of one length."""

    by: Literal["hour", "day"] = Field(examples=["day"])
    """Length of a step."""
    start: list[str] = Field(examples=[[_WEEK_AGO]])
    """When each begins, UTC."""
    executions: list[int] = Field(examples=[[148]])
    """How many ended in each."""
    success: list[int] = Field(examples=[[145]])
    """Those that succeeded."""
    error: list[int] = Field(examples=[[1]])
    """Those that were given up."""
    expired: list[int] = Field(examples=[[1]])
    """Those that expired."""
    cancelled: list[int] = Field(examples=[[0]])
    """Those that somebody cancelled."""
    skipped: list[int] = Field(examples=[[1]])
    """Due times that were skipped."""
    retries: list[int] = Field(examples=[[4]])
    """Attempts after the first."""
    worker_seconds: list[float] = Field(examples=[[17.2]])
    """Worker time."""
    wait_mean_ms: list[float | None] | None = Field(default=None, examples=[[4.1]])
    """Mean wait, if ``times`` was asked for; null where nothing ran, as the next three."""
    wait_p95_ms: list[float | None] | None = Field(default=None, examples=[[12.0]])
    """What 95 of 100 waits didn't exceed."""
    run_mean_ms: list[float | None] | None = Field(default=None, examples=[[118.2]])
    """Mean run."""
    run_p95_ms: list[float | None] | None = Field(default=None, examples=[[310.0]])
    """What 95 of 100 runs didn't exceed."""


class DayDocument(Document):
    """A day of a week."""

    date: str = Field(examples=["2026-11-16"])
    """Which."""
    executions: int = Field(examples=[148])
    """How many ended."""
    success: int = Field(examples=[145])
    """Those that succeeded."""
    error: int = Field(examples=[1])
    """Those that were given up."""
    expired: int = Field(examples=[1])
    """Those that expired."""
    cancelled: int = Field(examples=[0])
    """Those that somebody cancelled."""
    skipped: int = Field(examples=[1])
    """Due times that were skipped."""
    before: int = Field(examples=[131])
    """How many ended on that weekday of the week before."""


class TotalDocument(Document):
    """A number that a helper's results reported under ``totals``, summed."""

    helper: str = Field(examples=["invoices"])
    """The helper, all its instances."""
    name: str = Field(examples=["minutes_saved"])
    """What it is of."""
    now: float = Field(examples=[240])
    """The sum of the week."""
    before: float = Field(examples=[180])
    """That of the week before."""


class WeeklyReportDocument(_Spanned):
    """A week, beside the week before."""

    hub: str = Field(examples=["main"])
    """Whose."""
    week: str = Field(examples=["2026-W47"])
    """Its name (ISO 8601)."""
    timezone: str = Field(examples=["Europe/Berlin"])
    """Zone of its Mondays."""
    now: FiguresDocument
    """Its figures."""
    before: FiguresDocument
    """Those of the week before."""
    change: ChangeDocument
    """How they have changed."""
    day_zone: str = Field(examples=["Europe/Berlin"])
    """Zone of ``days``: UTC where hours of that week aren't kept any more."""
    days: list[DayDocument]
    """Monday to Sunday."""
    busiest: list[HourDocument]
    """The hours in which most ended; empty where hours aren't kept any more."""
    failing: list[HelperFiguresDocument]
    """Helpers with the most failures."""
    slowest: list[HelperFiguresDocument]
    """Helpers with the longest mean run, of those that ended five times or more."""
    flakiest: list[HelperFiguresDocument]
    """Helpers with the largest share of failed attempts, of those that ended five times or more."""
    costliest: list[HelperFiguresDocument]
    """Helpers that held worker threads longest."""
    queues: list[QueueFiguresDocument]
    """Queues, the busiest first."""
    totals: list[TotalDocument]
    """What helpers reported."""
