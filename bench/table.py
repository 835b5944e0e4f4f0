"""The results as markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from bench.measures import Figure, Measure, Medians, best_rival, reached
from bench.results import Rows, medians, spreads
from bench.sides import OURS, SIDES


def as_markdown(rows: Rows, measures: Iterable[Measure]) -> str:
    """Return ours against the targets, then all sides side by side, then how it was measured."""
    found = medians(rows)
    figures = [figure for measure in measures for figure in measure.figures if _is_known(figure, found)]
    parts = []
    if OURS in found:
        parts.append(_ours(figures, found, rows))
    if set(found) - {OURS}:
        parts.append(_side_by_side(figures, found))
    parts.append(_circumstances(rows))
    return "\n\n".join(parts) + "\n"


def _is_known(figure: Figure, found: Medians) -> bool:
    return any(figure.name in of_side for of_side in found.values())


def _ours(figures: list[Figure], found: Medians, rows: Rows) -> str:
    spread = spreads(rows)
    lines = [
        "| measure | HelperHub | lowest to highest | best rival | must reach | reached |",
        "|---|---:|---:|---|---|---|",
    ]
    for figure in figures:
        value = found[OURS].get(figure.name)
        if value is None:
            continue
        low, high, _ = spread[OURS, figure.name]
        said = reached(figure, found)
        cells = (
            figure.label,
            f"**{_number(value, figure)}**",
            f"{_number(low, figure)} to {_number(high, figure)}",
            _best(figure, found),
            "; ".join(t.text + (f" = {_number(bound, figure)}" if t.relative else "") for t, bound, _ in said),
            "; ".join("yes" if good else "**no**" for _, _, good in said),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _best(figure: Figure, found: Medians) -> str:
    best = best_rival(figure.name, found, lower_is_better=figure.lower_is_better)
    return (
        ""
        if best is None or not figure.is_comparable
        else f"{_number(found[best][figure.name], figure)} {SIDES[best].label}"
    )


def _side_by_side(figures: list[Figure], found: Medians) -> str:
    sides = [name for name in SIDES if name in found]
    compared = [
        figure
        for figure in figures
        if figure.is_comparable and any(figure.name in found[side] for side in sides if side != OURS)
    ]
    header = "| measure | " + " | ".join(SIDES[side].label for side in sides) + " |"
    lines = [header, "|---|" + "---:|" * len(sides)]
    for figure in compared:
        cells = (_number(found[side][figure.name], figure) if figure.name in found[side] else "" for side in sides)
        lines.append(f"| {figure.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _circumstances(rows: Rows) -> str:
    newest: dict[str, Any] = max(rows, key=lambda row: row["at"])
    loads = [row["load"][0] for row in rows]
    rounds = Counter((row["experiment"], row["side"]) for row in rows).values()
    versions = {
        (side.label, name, row["versions"][name])
        for row in rows
        if (side := SIDES.get(row["side"])) and side.name != OURS
        for name in row["versions"]
        if name not in {"redis", "hiredis"}
    }
    named = ", ".join(sorted({f"{name} {version}" for _, name, version in versions}))
    machine = newest["machine"]
    dates = sorted({row["at"][:10] for row in rows})
    changed = " with changes" if machine["changed"] else ""
    where = f"{machine['cores']} cores, Python {machine['python']}, {machine['server']}"
    loads_said = f"load of the machine when a round began {min(loads):.1f} to {max(loads):.1f}"
    busy = [row["busy"] for row in rows if "busy" in row]
    if busy:
        loads_said += f", others' share of the cores just before {min(busy):.2f} to {max(busy):.2f}"
    lines = [
        f"{where}, {' and '.join(dates)}; commit {machine['commit']}{changed} at the newest.",
        f"Medians of {_range(rounds)} rounds, turn about; {loads_said}.",
    ]
    if named:
        lines.append(f"Rivals: {named}.")
    return "\n".join(lines)


def _number(value: float, figure: Figure) -> str:
    return f"{value:,.{figure.digits}f}".replace(",", " ")


def _range(counts: Collection[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
