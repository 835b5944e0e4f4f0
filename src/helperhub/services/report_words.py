"""The report in words: numbers, spans and changes as people read them, and the whole as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helperhub.services.report_charts import short
from helperhub.services.weekly_report import AT_LEAST, WeeklyReport

#: Headings of the tables, and what each is about.
TABLES = {
    "failing": ("Most failures", "Failed for good, or expired before they could start."),
    "slowest": ("Slowest", f"By mean run time, of those that ended {AT_LEAST} times or more."),
    "flakiest": ("Flakiest", f"By share of attempts that failed, of those that ended {AT_LEAST} times or more."),
    "costliest": ("Cost", "By worker time: how long they held a worker's thread."),
}
NOTHING = "Nothing ended in this week."
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60))


def title_of(report: WeeklyReport) -> str:
    """Return the report's heading."""
    return f"Week {report.week.name[-2:].lstrip('0')} of {report.week.name[:4]}"


def dates_of(report: WeeklyReport) -> str:
    """Return its first and last day, such as ``16 to 22 November 2026``."""
    first, *_, last = report.week.dates()
    begin = f"{first.day}" if first.month == last.month else f"{first.day} {first:%B}"
    if first.year != last.year:
        begin = f"{first.day} {first:%B} {first.year}"
    return f"{begin} to {last.day} {last:%B} {last.year}"


def subject_of(report: WeeklyReport) -> str:
    """Return the subject of a mail: short, so that it needn't be folded (RFC 5322, 2.1.1)."""
    ended, complete = report.now["executions"], show_share(report.now["completion_rate"])
    gist = f"{ended:,} executions, {complete} complete" if ended else "nothing ended"
    return f"[HelperHub] {report.hub}, {report.week.name}: {gist}"


def gist_of(report: WeeklyReport) -> str:
    """Return it in one line."""
    if not report.now["executions"]:
        return "nothing ended"
    ended, complete = report.now["executions"], show_share(report.now["completion_rate"])
    return f"{ended:,} executions, {complete} complete, {report.now['error']:,} failed"


def show_share(share: float | None) -> str:
    """Return a share as per cent; 100 % only if it is all."""
    if share is None:
        return "-"
    if share < 1.0 and share > 0.9995:
        return f"{int(share * 10_000) / 100:.2f} %"
    return "100 %" if share == 1.0 else f"{share * 100:.1f} %"


def show_ms(ms: float | None) -> str:
    """Return how long something took."""
    if ms is None:
        return "-"
    seconds = ms / 1000
    if seconds < 1:
        return f"{ms:.0f} ms"
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def show_change(change: float | None, *, points: bool = False) -> str:
    """Return a change against the week before; empty if there is nothing to compare with."""
    if change is None:
        return ""
    percent = change * 100
    if abs(percent) < 0.05:
        return "as before"
    if points:
        return f"{percent:+.1f} points"
    return f"{change + 1:.1f} times as much" if change >= 2 else f"{percent:+.0f} %"


def headlines(report: WeeklyReport) -> list[tuple[str, str, str, int]]:
    """Return name, value, change and whether that is good (1), bad (-1) or neither (0), of each main figure."""
    now, change = report.now, report.change
    return [
        ("Executions", short(now["executions"]), show_change(change["executions"]), 0),
        (
            "Complete",
            show_share(now["completion_rate"]),
            show_change(change["completion_rate"], points=True),
            _sign(change["completion_rate"]),
        ),
        ("Mean run", show_ms(now["run"]["mean_ms"]), show_change(change["run_mean"]), -_sign(change["run_mean"], 0.1)),
        ("Run, p95", show_ms(now["run"]["p95_ms"]), show_change(change["run_p95"]), -_sign(change["run_p95"], 0.1)),
        ("Failed", short(now["error"]), show_change(change["errors"]), -_sign(change["errors"])),
        ("Retries", short(now["retries"]), show_change(change["retries"]), -_sign(change["retries"], 0.1)),
        ("Wait, p95", show_ms(now["wait"]["p95_ms"]), show_change(change["wait_p95"]), -_sign(change["wait_p95"], 0.1)),
        ("Worker time", show_ms(now["worker_seconds"] * 1000), show_change(change["worker_seconds"]), 0),
    ]


def show_number(number: float) -> str:
    """Return a number that helpers have summed."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.2f}"


def columns_of(table: str) -> list[tuple[str, Any]]:
    """Return headings of a table of helpers, and what makes a cell of a row."""
    ended = ("Ended", lambda row: f"{row['executions']:,}")
    complete = ("Complete", lambda row: show_share(row["completion_rate"]))
    mean, p95 = (
        ("Mean run", lambda row: show_ms(row["run"]["mean_ms"])),
        ("Run p95", lambda row: show_ms(row["run"]["p95_ms"])),
    )
    return {
        "failing": [("Failed", lambda row: f"{row['error'] + row['expired']:,}"), ended, complete],
        "slowest": [mean, p95, ended],
        "flakiest": [("Attempts failed", lambda row: show_share(row["failed_attempts"])), ended, complete],
        "costliest": [("Worker time", lambda row: show_ms(row["worker_seconds"] * 1000)), ended, mean],
    }[table]


def write_text(report: WeeklyReport) -> str:
    """Return the report as plain text, 78 columns wide where names allow."""
    lines = [f"{title_of(report)}, {dates_of(report)} ({report.week.timezone})", f"Hub '{report.hub}'", ""]
    if not report.now["executions"]:
        lines += [NOTHING, ""]
    rows = [[name, value, change] for name, value, change, _ in headlines(report)]
    lines += _laid_out([["", "this week", "against the week before"], *rows])
    for name, (heading, about) in TABLES.items():
        found = report.tables[name]
        if found:
            columns = columns_of(name)
            table = [[row["helper"], *(make(row) for _, make in columns)] for row in found]
            lines += ["", heading.upper(), about, *_laid_out([["", *(head for head, _ in columns)], *table])]
    lines += ["", "BY DAY", *_laid_out([_DAY_HEADINGS, *map(_day_row, report.days)])]
    if report.totals:
        sums = [
            [f"{one['helper']}: {one['name']}", show_number(one["now"]), show_number(one["before"])]
            for one in report.totals
        ]
        lines += ["", "WHAT HELPERS REPORTED", *_laid_out([["", "this week", "before"], *sums])]
    return "\n".join([*lines, "", *notes_of(report), ""])


def notes_of(report: WeeklyReport) -> list[str]:
    """Return how the figures are meant."""
    days = (
        "the week's zone"
        if report.day_zone == report.week.timezone
        else "UTC, as hours of this week aren't kept any more"
    )
    return [
        "Executions count when they ended. Complete: succeeded, of those that succeeded, failed or expired.",
        f"Percentiles are right to 5 %. Days are those of {days}.",
    ]


_DAY_HEADINGS = ["", "ended", "failed", "week before"]


def _day_row(day: Mapping[str, Any]) -> list[str]:
    return [day["date"], f"{day['executions']:,}", f"{day['error']:,}", f"{day['before']:,}"]


def _sign(change: float | None, least: float = 0.001) -> int:
    if change is None or abs(change) < least:
        return 0
    return 1 if change > 0 else -1


def _laid_out(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]


__all__ = [
    "NOTHING",
    "TABLES",
    "columns_of",
    "dates_of",
    "gist_of",
    "headlines",
    "notes_of",
    "show_number",
    "show_share",
    "subject_of",
    "title_of",
    "write_text",
]
