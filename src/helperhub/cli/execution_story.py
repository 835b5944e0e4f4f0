"""One execution as a story, and many as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from helperhub.cli.moments import read_clock, show_moment, show_span, show_utc
from helperhub.cli.output import Column, Kind, echo_facts, echo_status, echo_table, show_json
from helperhub.model.execution import AttemptError, Execution, Status


def echo_executions(executions: Sequence[Execution], *, empty: str) -> None:
    """Write executions as a table; the moment shown is the last that happened, or the next to come."""
    now = read_clock()
    columns = [Column("id", Kind.ID), Column("helper"), Column("status"), Column("when", Kind.MOMENT)]
    rows = [
        [execution.id, execution.helper, execution.status.value, show_moment(_moment_of(execution), now)]
        for execution in executions
    ]
    if any(execution.reason for execution in executions):
        columns.append(Column("reason"))
        rows = [[*row, execution.reason] for row, execution in zip(rows, executions, strict=True)]
    echo_table(columns, rows, empty=empty)


def echo_plan(executions: Sequence[Execution]) -> None:
    """Write planned executions as a table, in order of due time."""
    now = read_clock()
    columns = [Column("due", Kind.MOMENT), Column("id", Kind.ID), Column("queue"), Column("prio", Kind.NUMBER)]
    rows = [
        [show_moment(execution.due_at, now), execution.id, execution.queue, str(execution.priority)]
        for execution in executions
    ]
    echo_table(columns, rows, empty="Nothing is planned in the look-ahead window.")


def echo_execution(
    execution: Execution, *, progress: Mapping[str, Any] | None, log: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write one execution as a story: what became of it, when, why, and with what.

    Args:
        execution: The execution.
        progress: Its last report: done, total, text.
        log: What it logged lately, oldest first: at, level, text.
    """
    because = f": {execution.reason}" if execution.reason else ""
    echo_status(execution.status.value, because)
    echo_facts([("id", execution.id), *_what(execution), *_when(execution, read_clock()), *_with(execution, progress)])
    for error in execution.errors:
        _echo_error(error, execution.max_attempts)
    if log:
        click.echo("\nlog")
    for line in log:
        click.echo(f"  {line['at']} {line['level']} {_show_line(line)}")


def _show_line(line: Mapping[str, Any]) -> str:
    words = [str(line["text"]), *(f"{name}={value}" for name, value in (line.get("fields") or {}).items())]
    if line.get("error"):
        words.append(f"({line['error']})")
    text = " ".join(words)
    return text if text.isprintable() else show_json(text)


def _moment_of(execution: Execution) -> datetime | None:
    return execution.finished_at or execution.started_at or execution.due_at or execution.enqueued_at


def _what(execution: Execution) -> list[tuple[str, str]]:
    tries = f"{execution.attempt} of {execution.max_attempts}"
    if execution.delivery > 1:
        tries += f", handed out {execution.delivery} times"
    return [
        ("helper", execution.helper),
        ("queue", f"{execution.queue}, priority {execution.priority}"),
        ("asked by", execution.trigger.value),
        ("unique key", execution.unique_key or ""),
        ("replay of", execution.replay_of or ""),
        ("attempt", tries),
        ("times", f"stands for {execution.count} alike" if execution.count > 1 else ""),
    ]


def _show_limit(found: Mapping[str, Any]) -> str:
    if "until" in found:
        used = f": {found['rate']}, the next may start at {found['until']}"
    elif "bound" in found:
        used = f": {found['running']} of {found['bound']} in hand"
    else:
        used = ""
    return f"{found['limit']}{used}; number {found['place']} in line"


def _when(execution: Execution, now: datetime) -> list[tuple[str, str]]:
    due, started, finished = execution.due_at, execution.started_at, execution.finished_at
    waited = f" (waited {show_span(max(started - due, started - started))})" if due and started else ""
    ran = f" (ran {show_span(finished - started)})" if started and finished else ""
    planned = execution.planned_at
    moved = planned is not None and due is not None and planned != due
    return [
        ("planned for", show_utc(planned) if planned and moved else ""),
        ("due", show_moment(due, now)),
        ("enqueued", show_moment(execution.enqueued_at, now)),
        ("started", show_moment(started, now) + waited if started else ""),
        ("finished", show_moment(finished, now) + ran if finished else ""),
        ("waits for", _show_limit(execution.waits_for) if execution.waits_for else ""),
        ("expires", "" if execution.status.final or started else show_moment(execution.expires_at, now)),
    ]


def _with(execution: Execution, progress: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    succeeded = execution.status is Status.SUCCESS
    return [
        ("progress", _show_progress(progress) if progress else ""),
        ("payload", "" if execution.payload is None else show_json(execution.payload)),
        ("result", show_json(execution.result) if succeeded and execution.result is not None else ""),
        ("metadata", ", ".join(f"{name}={value}" for name, value in execution.metadata.items())),
    ]


def _show_progress(progress: Mapping[str, Any]) -> str:
    done, total, text = progress.get("done"), progress.get("total"), progress.get("text")
    counted = "" if done is None else f"{done} of {total}" if total else f"{done}"
    return ", ".join(part for part in (counted, text) if part)


def _echo_error(error: AttemptError, attempts: int) -> None:
    at = f", {show_utc(error.at)}" if error.at else ""
    click.echo(f"\nattempt {error.attempt} of {attempts} failed{at}: {error.type}: {error.message}")
    if error.traceback:
        click.echo("  " + error.traceback.rstrip().replace("\n", "\n  "))
