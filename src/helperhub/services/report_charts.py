"""The report's charts: as SVG for a page, and as tables for mail, whose readers take SVG out.

No script, no fonts, nothing fetched; a chart says in words what it shows to those who don't see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

INK, MUTED, LINE, PAPER = "#22303c", "#66737f", "#e3e8ec", "#ffffff"
GOOD, BAD, OTHER = "#4b8b7f", "#c4553b", "#b9c3cb"
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WIDTH, _HEIGHT, _TOP, _FOOT = 600, 190, 22, 24
_CELL, _ROW, _LEFT = 22.8, 17, 40


def columns_svg(days: Sequence[Mapping[str, Any]]) -> str:
    """Return a column a day: succeeded, failed and other ends; a line shows that weekday of the week before."""
    most = max([1, *(max(day["executions"], day["before"]) for day in days)])
    step = _WIDTH / len(days)
    room = _HEIGHT - _TOP - _FOOT
    floor = _HEIGHT - _FOOT
    parts = [f'<line x1="0" y1="{floor}" x2="{_WIDTH}" y2="{floor}" stroke="{LINE}"/>']
    for i, day in enumerate(days):
        left, width, middle = i * step + step * 0.2, step * 0.6, i * step + step / 2
        top = float(floor)
        for colour, count in _parts(day):
            height = count / most * room
            top -= height
            if count:
                parts.append(_rect(left, top, width, height, colour))
        before = floor - day["before"] / most * room
        if day["before"]:
            parts.append(
                f'<line x1="{left - 6:.1f}" y1="{before:.1f}" x2="{left + width + 6:.1f}" y2="{before:.1f}" '
                f'stroke="{INK}" stroke-width="1.5" stroke-dasharray="4 3"/>'
            )
        above = min(top, before if day["before"] else top)
        parts.append(_label(middle, above - 6, short(day["executions"]), INK))
        parts.append(_label(middle, _HEIGHT - 6, f"{_DAYS[i]} {int(day['date'][8:])}", MUTED))
    return _svg(_WIDTH, _HEIGHT, "Executions by day: " + _in_words(days), parts)


def hours_svg(counts: Sequence[Sequence[int]]) -> str:
    """Return a square for each hour of the week, the darker the more ended in it."""
    most = max(1, *(max(row) for row in counts))
    parts = []
    for day, row in enumerate(counts):
        y = 4 + day * _ROW
        parts.append(_label(0, y + 12, _DAYS[day], MUTED, anchor="start"))
        parts += [
            _rect(_LEFT + hour * _CELL, y, _CELL - 2, _ROW - 2, _shade(count / most)) for hour, count in enumerate(row)
        ]
    foot = 4 + 7 * _ROW + 13
    parts += [_label(_LEFT + hour * _CELL + _CELL / 2 - 1, foot, f"{hour:02}", MUTED) for hour in range(0, 24, 3)]
    return _svg(_WIDTH, foot + 5, "Executions by hour of the week", parts)


def columns_table(days: Sequence[Mapping[str, Any]]) -> str:
    """Return a bar a day, as a table."""
    most = max([1, *(day["executions"] for day in days)])
    return _table([_bar_row(f"{_DAYS[i]} {int(day['date'][8:])}", day, most) for i, day in enumerate(days)])


def hours_table(counts: Sequence[Sequence[int]]) -> str:
    """Return a cell for each hour of the week, as a table."""
    most = max(1, *(max(row) for row in counts))
    small = f"font-size:11px;color:{MUTED};{_FONT}"
    rows = []
    for day, row in enumerate(counts):
        cells = "".join(
            f'<td bgcolor="{(colour := _shade(count / most))}" height="15" '
            f'style="background:{colour};border:1px solid {PAPER};font-size:1px;line-height:13px">&nbsp;</td>'
            for count in row
        )
        rows.append(f'<tr><td width="36" style="{small}">{_DAYS[day]}</td>{cells}</tr>')
    marks = "".join(f'<td colspan="3" style="{small}">{hour:02}</td>' for hour in range(0, 24, 3))
    rows.append(f"<tr><td></td>{marks}</tr>")
    return _table(rows, layout="fixed")


def share_bar(share: float, colour: str = GOOD) -> str:
    """Return a thin bar that is ``share`` (0.0 to 1.0) of its place, as a table, which shows everywhere."""
    width = min(100, max(1, round(share * 100)))
    rest = '<td style="font-size:1px;line-height:6px">&nbsp;</td>' if width < 100 else ""
    look = f"background:{colour};font-size:1px;line-height:6px"
    return _table([f'<tr><td width="{width}%" bgcolor="{colour}" style="{look}">&nbsp;</td>{rest}</tr>'])


def short(number: float) -> str:
    """Return a number in few characters, such as ``12.3k``."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= limit:
            size = 1e3 if unit == "k" else limit
            return f"{number / size:.1f}{unit}"
    return f"{number:,.0f}"


def _bar_row(label: str, day: Mapping[str, Any], most: int) -> str:
    cells = ""
    filled = 0
    for colour, count in _parts(day):
        width = round(count / most * 100)
        if count and not width:
            width = 1
        filled += width
        if width:
            cells += (
                f'<td width="{width}%" bgcolor="{colour}" '
                f'style="background:{colour};font-size:1px;line-height:14px">&nbsp;</td>'
            )
    if filled < 100:
        cells += f'<td width="{100 - filled}%" style="font-size:1px;line-height:14px">&nbsp;</td>'
    text = f"font-size:13px;{_FONT};padding:3px 0"
    return (
        f'<tr><td width="60" style="{text};color:{MUTED}">{escape(label)}</td>'
        f'<td style="padding:3px 8px">{_table([f"<tr>{cells}</tr>"])}</td>'
        f'<td width="64" align="right" style="{text};color:{INK}">{short(day["executions"])}</td></tr>'
    )


def _parts(day: Mapping[str, Any]) -> list[tuple[str, int]]:
    other = day["executions"] - day["success"] - day["error"]
    return [(GOOD, day["success"]), (BAD, day["error"]), (OTHER, other)]


def _in_words(days: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{_DAYS[i]} {day['executions']} of which {day['error']} failed" for i, day in enumerate(days))


def _shade(share: float) -> str:
    """Return a colour between paper and ``GOOD``; what is more than nothing can be told from nothing."""
    part = 0.12 + 0.88 * share if share else 0.0
    empty = (0xF1, 0xF4, 0xF6)
    full = tuple(int(GOOD[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(empty, full, strict=True))


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" width="100%" '
        f'style="display:block;max-width:{width:g}px;{_FONT}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _label(x: float, y: float, text: str, colour: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="12" text-anchor="{anchor}">{escape(text)}</text>'


def _table(rows: Sequence[str], layout: str = "auto") -> str:
    style = f"border-collapse:collapse;table-layout:{layout}"
    return (
        f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="{style}">'
        f"{''.join(rows)}</table>"
    )


__all__ = [
    "BAD",
    "GOOD",
    "INK",
    "LINE",
    "MUTED",
    "OTHER",
    "PAPER",
    "columns_svg",
    "columns_table",
    "hours_svg",
    "hours_table",
    "share_bar",
    "short",
]
