"""Answers on stdout: one JSON document, a table on a terminal, plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import click
import orjson

from helperhub.cli.call import current_call

if TYPE_CHECKING:
    from rich.console import Console

#: Colours by word: statuses, grades and switches are coloured wherever they stand in a cell of their own.
_STYLES = {
    "success": "green",
    "ok": "green",
    "running": "cyan",
    "busy": "cyan",
    "waiting": "yellow",
    "warning": "yellow",
    "paused": "yellow",
    "suspended": "yellow",
    "error": "bold red",
    "problem": "bold red",
    "quarantined": "bold red",
    "expired": "magenta",
    "cancelled": "dim",
    "skipped": "dim",
    "disabled": "dim",
}
#: ``2026-11-23 08:30:00Z,`` stays in one line, so that times can be compared down a column.
_MOMENT_WIDTH = 21
#: ``weather/berlin#digest@20261123T083000Z``: up to this, an id isn't folded while other cells can be.
_ID_WIDTH = 40


class Kind(Enum):
    """What a column holds, which decides how it gives way on a narrow terminal."""

    TEXT = "text"
    ID = "id"
    MOMENT = "moment"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    heading: str
    kind: Kind = Kind.TEXT


def wants_json() -> bool:
    """Return whether the caller asked for one JSON document."""
    return current_call().as_json


def echo_document(document: Any) -> None:
    """Write the one JSON document of this call, as UTF-8 whatever the terminal's encoding."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def echo_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Write ``rows`` for people: a table on a terminal, whole lines elsewhere.

    Args:
        columns: Headings, in order.
        rows: Cells in the order of ``columns``.
        empty: What to say, on stderr, if there are no rows.
    """
    if not rows:
        click.echo(empty, err=True)
    elif sys.stdout.isatty():
        _echo_rich(columns, rows)
    else:
        click.echo(_plain([[column.heading.upper() for column in columns], *rows]))


def echo_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Write names and values, one a line, values in one column; what is empty is left out."""
    shown = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        indented = value.replace("\n", "\n" + " " * (width + 2))
        _echo_styled(name, "bold", f"{' ' * (width - len(name))}  {indented}")


def show_json(value: Any) -> str:
    """Return ``value`` as JSON in one line, for a cell or a fact."""
    return orjson.dumps(value).decode()


def counted(number: int, noun: str) -> str:
    """Return ``1 dead letter`` or ``2 dead letters``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def echo_status(word: str, text: str) -> None:
    """Write one line that begins with a status, coloured on a terminal."""
    _echo_styled(word, _STYLES.get(word, ""), text)


def _echo_styled(word: str, style: str, text: str) -> None:
    """Write ``word``, on a terminal in ``style``, then ``text``."""
    if not sys.stdout.isatty():
        click.echo(word + text)
        return
    from rich.text import Text  # noqa: PLC0415 - only terminals pay for it

    # Soft: the terminal wraps, so that what is copied has no line breaks of ours.
    _console().print(Text.assemble((word, style), text), soft_wrap=True)


def _plain(rows: Sequence[Sequence[str]]) -> str:
    flat = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in flat) for i in range(len(flat[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in flat
    )


def _echo_rich(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - only terminals pay for it
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        longest = max(len(row[i]) for row in rows)
        least = {Kind.MOMENT: min(longest, _MOMENT_WIDTH), Kind.ID: min(longest, _ID_WIDTH)}
        table.add_column(
            column.heading,
            # Folded, never cut: a copied id must be whole.
            overflow="fold",
            justify="right" if column.kind is Kind.NUMBER else "left",
            min_width=least.get(column.kind),
            no_wrap=column.kind is Kind.NUMBER,
        )
    for row in rows:
        # Text, not markup: a helper's name may hold brackets.
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    _console().print(table)


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    # rich takes NO_COLOR by the letter and leaves bold and dim; people who set it mean plain text.
    return Console(highlight=False, color_system=None) if console.no_color else console
