"""The report as HTML, for a page and for mail: one column of tables with their styles beside them, no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from helperhub.services.report_charts import (
    BAD,
    GOOD,
    INK,
    LINE,
    MUTED,
    OTHER,
    PAPER,
    columns_svg,
    columns_table,
    hours_svg,
    hours_table,
    share_bar,
)
from helperhub.services.report_words import (
    NOTHING,
    TABLES,
    columns_of,
    dates_of,
    gist_of,
    headlines,
    notes_of,
    show_number,
    title_of,
)
from helperhub.services.weekly_report import WeeklyReport

_GROUND = "#f4f6f8"
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_TABLE = 'role="presentation" cellpadding="0" cellspacing="0" border="0" width="100%"'
#: How a page of it may be shown: nothing runs, nothing is fetched.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_COLOURS = {1: GOOD, 0: MUTED, -1: BAD}
#: Bars in the first column say what a table is sorted by.
_MEASURES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "failing": lambda row: row["error"] + row["expired"],
    "slowest": lambda row: row["run"]["mean_ms"] or 0,
    "flakiest": lambda row: row["failed_attempts"] or 0,
    "costliest": lambda row: row["worker_seconds"],
}


def write_html(report: WeeklyReport, *, mail: bool = False) -> str:
    """Return the report as one self-contained document.

    Args:
        report: The figures.
        mail: Charts as tables, since most readers of mail take SVG out.
    """
    body = [_head(report), _cards(report)]
    if report.now["executions"] or report.before["executions"]:
        body.append(
            _section("By day", columns_table(report.days) if mail else columns_svg(report.days), _legend(mail=mail))
        )
    for name, (heading, about) in TABLES.items():
        if report.tables[name]:
            body.append(_section(heading, _helpers(report, name), about))
    if any(map(any, report.counts)):
        chart = hours_table(report.counts) if mail else hours_svg(report.counts)
        body.append(_section("By hour", chart, f"When executions ended, in {report.week.timezone}."))
    if report.totals:
        body.append(_section("What helpers reported", _totals(report), "Sums of the totals in their results."))
    if len(report.queues) > 1:
        body.append(_section("Queues", _queues(report)))
    small = f"{_FONT};font-size:12px;line-height:1.5;color:{MUTED};margin:24px 4px"
    body.append(f'<p style="{small}">{_lines(notes_of(report))}</p>')
    return _document(f"{title_of(report)}: {gist_of(report)}", "".join(body))


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light"><meta name="supported-color-schemes" content="light">'
        f"<title>{escape(title)}</title></head>"
        f'<body style="margin:0;padding:0;background:{_GROUND};color:{INK};-webkit-text-size-adjust:100%">'
        f'<table {_TABLE} bgcolor="{_GROUND}"><tr><td align="center" style="padding:24px 10px">'
        f'<table {_TABLE} style="max-width:640px"><tr><td align="left">{body}</td></tr></table>'
        "</td></tr></table></body></html>\n"
    )


def _head(report: WeeklyReport) -> str:
    about = f"{escape(dates_of(report))} &middot; {escape(report.week.timezone)} &middot; hub {escape(report.hub)}"
    nothing = "" if report.now["executions"] else f'<p style="{_FONT};font-size:15px;margin:12px 4px">{NOTHING}</p>'
    large = f"{_FONT};font-size:24px;line-height:1.2;font-weight:650;margin:0 4px 4px"
    return (
        f'<h1 style="{large}">{escape(title_of(report))}</h1>'
        f'<p style="{_FONT};font-size:14px;color:{MUTED};margin:0 4px 16px">{about}</p>{nothing}'
    )


def _cards(report: WeeklyReport) -> str:
    cells = [_card(*one) for one in headlines(report)]
    rows = "".join(f"<tr>{''.join(cells[i : i + 2])}</tr>" for i in range(0, len(cells), 2))
    return f'<table {_TABLE} style="background:{PAPER};border:1px solid {LINE};border-radius:8px">{rows}</table>'


def _card(name: str, value: str, change: str, good: int) -> str:
    return (
        f'<td width="50%" valign="top" style="padding:12px 16px;{_FONT}">'
        f'<div style="font-size:13px;color:{MUTED}">{escape(name)}</div>'
        f'<div style="font-size:24px;line-height:1.3;font-weight:600">{escape(value)}</div>'
        f'<div style="font-size:13px;color:{_COLOURS[good]}">{escape(change) or "&nbsp;"}</div></td>'
    )


def _section(heading: str, content: str, about: str = "") -> str:
    told = (
        f'<p style="{_FONT};font-size:13px;line-height:1.4;color:{MUTED};margin:0 0 12px">{about}</p>' if about else ""
    )
    return (
        f'<table {_TABLE} style="background:{PAPER};border:1px solid {LINE};border-radius:8px;margin-top:16px">'
        f'<tr><td style="padding:16px"><h2 style="{_FONT};font-size:16px;font-weight:650;margin:0 0 4px">'
        f"{escape(heading)}</h2>{told}{content}</td></tr></table>"
    )


def _legend(*, mail: bool) -> str:
    named = ((GOOD, "succeeded"), (BAD, "failed"), (OTHER, "expired, cancelled or skipped"))
    shown = " &nbsp; ".join(f'<span style="color:{colour}">&#9632;</span> {name}' for colour, name in named)
    return shown if mail else f"{shown} &nbsp; &#9476; the week before"


def _helpers(report: WeeklyReport, name: str) -> str:
    rows, columns, measure = report.tables[name], columns_of(name), _MEASURES[name]
    most = max(measure(row) for row in rows) or 1
    colour = BAD if name in ("failing", "flakiest") else GOOD
    bars = [
        f'<div style="padding-top:4px;max-width:180px">{share_bar(measure(row) / most, colour)}</div>' for row in rows
    ]
    cells = [
        [f"{escape(row['helper'])}{bar}", *(escape(make(row)) for _, make in columns)]
        for row, bar in zip(rows, bars, strict=True)
    ]
    return _rows(["Helper", *(heading for heading, _ in columns)], cells)


def _totals(report: WeeklyReport) -> str:
    cells = [
        [
            f'{escape(one["name"])}<div style="font-size:12px;color:{MUTED}">{escape(one["helper"])}</div>',
            show_number(one["now"]),
            show_number(one["before"]),
        ]
        for one in report.totals
    ]
    return _rows(["", "This week", "Before"], cells)


def _queues(report: WeeklyReport) -> str:
    columns = [*columns_of("failing")[1:], columns_of("slowest")[1]]
    cells = [[escape(row["queue"]), *(escape(make(row)) for _, make in columns)] for row in report.queues]
    return _rows(["Queue", *(heading for heading, _ in columns)], cells)


def _rows(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    head = "".join(_cell(heading, first=i == 0, colour=MUTED) for i, heading in enumerate(headings))
    body = "".join(
        f"<tr>{''.join(_cell(cell, first=i == 0, colour=INK) for i, cell in enumerate(row))}</tr>" for row in cells
    )
    return f'<table {_TABLE} style="border-collapse:collapse"><tr>{head}</tr>{body}</table>'


def _cell(content: str, *, first: bool, colour: str) -> str:
    side = "left" if first else "right"
    shape = "word-break:break-word" if first else "white-space:nowrap"
    gap = "padding:7px 0" if first else "padding:7px 0 7px 12px"
    return (
        f'<td align="{side}" valign="top" style="{_FONT};font-size:13px;line-height:1.35;color:{colour};'
        f'{gap};border-bottom:1px solid {LINE};{shape}">{content}</td>'
    )


def _lines(texts: Sequence[str]) -> str:
    return "<br>".join(map(escape, texts))


__all__ = ["POLICY", "write_html"]
