"""``helperhub executions``: list, export, show, wait, cancel, replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.execution_story import echo_execution, echo_executions
from helperhub.cli.helper_run import echo_end
from helperhub.cli.output import echo_document, wants_json
from helperhub.cli.undo import tell_undo
from helperhub.cli.words import (
    InstantWord,
    PairWord,
    helper_option,
    json_option,
    limit_option,
    query_argument,
    reason_option,
    timeout_option,
)
from helperhub.errors import UsageError
from helperhub.model.execution import Status

if TYPE_CHECKING:
    from helperhub.services.archived import ArchiveView


@click.group()
def executions() -> None:
    """List, export, show, wait for, cancel and replay executions."""


@executions.command("list")
@query_argument
@helper_option
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="Only in this state; may be repeated.",
)
@click.option("--queue", metavar="NAME", help="Only of this queue.")
@click.option(
    "--since", type=InstantWord(ago=True), metavar="TIME", help="Finished since; a time, or '2h' for so long ago."
)
@click.option("--until", type=InstantWord(ago=True), metavar="TIME", help="Finished until; likewise.")
@click.option(
    "--meta", type=PairWord(), multiple=True, metavar="NAME=VALUE", help="With this metadata; may be repeated."
)
@limit_option
@json_option
def list_executions(
    query: str, statuses: tuple[str, ...], limit: int, meta: tuple[tuple[str, str], ...], **options: Any
) -> None:
    """List executions, newest first: what runs, what waits, what is over.

    QUERY is a search in words, such as: helper:weather status:error,expired since:2h text:"timed out"
    metadata.app:crm. What isn't due yet is shown by 'helperhub plan list', or here with --status planned.
    """
    from helperhub.services.execution_filter import ExecutionFilter  # noqa: PLC0415 - help must not import Redis
    from helperhub.services.search_words import join_filters  # noqa: PLC0415

    of_options = ExecutionFilter(statuses=frozenset(map(Status, statuses)), metadata=dict(meta) or None, **options)
    service = current_call().open_hub().executions
    history = service.history(join_filters(service.read_query(query), of_options))
    found = list(islice(history.found(), limit))
    _warn_of_archive(history.view)
    if wants_json():
        documents = [execution.to_document() for execution in found]
        echo_document({"executions": documents, "archive": history.view.to_document()})
    else:
        echo_executions(found, empty="No execution fits.")


@executions.command()
@query_argument
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl"]),
    default="jsonl",
    show_default=True,
    help="CSV for spreadsheets, JSON lines for programs.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Written here, not to stdout."
)
def export(query: str, kind: str, out: Path | None) -> None:
    """Write all executions that a search finds, newest first, to a file.

    QUERY is a search in words, as for 'helperhub executions list'. In CSV a cell that a spreadsheet would take for
    a formula (it begins with = + - @ or a tab) has a ' before it. FILE is there only once it is whole.
    """
    from helperhub.services.export import ExportFormat, write_export  # noqa: PLC0415 - help must not import Redis

    service = current_call().open_hub().executions
    history = service.history(service.read_query(query), strict=True)
    parts = write_export(history.found(), ExportFormat(kind))
    if out is None:
        with click.open_file("-", "wb") as stdout:
            stdout.writelines(parts)
        return
    write_whole(out, parts)


@executions.command()
@click.argument("execution_id", metavar="ID")
@json_option
def show(execution_id: str) -> None:
    """Tell the story of one execution: when, how long, what failed, what came out."""
    hub = current_call().open_hub()
    execution = hub.executions.show(execution_id)
    progress, log = hub.executions.progress(execution_id), hub.executions.log(execution_id)
    if wants_json():
        echo_document({**execution.to_document(), "progress": progress, "log": log})
    else:
        echo_execution(execution, progress=progress, log=log)


@executions.command()
@click.argument("execution_id", metavar="ID")
@timeout_option
@json_option
def wait(execution_id: str, timeout: timedelta) -> int:
    """Wait for the end of one execution: exits with 0 if that is success, else with 1."""
    return echo_end(current_call().open_hub().wait(execution_id, timeout=timeout), timeout)


@executions.command()
@click.argument("execution_id", metavar="ID")
@reason_option
@json_option
def cancel(execution_id: str, reason: str) -> None:
    """Stop one execution: at once if it waits; if it runs, it is asked to stop."""
    outcome = current_call().open_hub().executions.cancel(execution_id, reason=reason)
    if wants_json():
        echo_document({"id": execution_id, "outcome": outcome})
    else:
        click.echo("It is cancelled." if outcome == "cancelled" else "It runs, and was asked to stop.")


@executions.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@json_option
def replay(ids: tuple[str, ...]) -> None:
    """Put finished executions back, as new ones."""
    from helperhub.services.undo import Change  # noqa: PLC0415 - help must not import Redis

    hub = current_call().open_hub()
    change = hub.undo.begin(Change.REPLAY)
    replayed = hub.executions.replay(ids, undo=change)
    echo_replayed(replayed, hub.undo.id_of(change))


def _warn_of_archive(view: ArchiveView) -> None:
    if view.problem:
        click.echo(f"The archive can't be read, so only what Redis has is shown. {view.problem}", err=True)


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file that is there once it is whole.

    Raises:
        UsageError: It can't be written.
    """
    partly = path.with_name(f".{path.name}.part")
    try:
        with partly.open("wb") as file:
            file.writelines(parts)
        partly.replace(path)
    except OSError as error:
        message = f"{path} can't be written: {error.strerror}."
        raise UsageError(message) from error
    finally:
        partly.unlink(missing_ok=True)


def echo_replayed(replayed: Sequence[tuple[str, str]], undo: str | None) -> None:
    """Tell which execution each became.

    Args:
        replayed: (old id, new id).
        undo: What undoes it; None if all were replayed before.
    """
    if wants_json():
        echo_document({"replayed": [{"id": new, "replay_of": old} for old, new in replayed], "undo": undo})
        return
    for old, new in replayed:
        click.echo(f"{old} is replayed as {new}")
    if not replayed:
        click.echo("There was nothing to replay.", err=True)
    tell_undo(undo)
