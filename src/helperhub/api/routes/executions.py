"""Executions over HTTP: list, show, follow, wait, start many, cancel, replay."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import Cursor, Limit, as_json, read_cursor, write_cursor
from helperhub.api.batches import BatchBody, start_batch
from helperhub.api.bodies import Reason, read_duration, read_time
from helperhub.api.documents.executions import (
    CancelledDocument,
    ExecutionDocument,
    ExecutionPage,
    ExecutionStoryDocument,
    LogReport,
    ProgressReport,
    ReplayedList,
    ReplayedOneDocument,
    StartedList,
)
from helperhub.api.words import IdempotencyKey, Moment, Pair, Patience
from helperhub.errors import NotFound, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Execution, Status
from helperhub.services.archived import NO_ARCHIVE
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.execution_pages import Page, find_page
from helperhub.services.export import MEDIA_TYPES, ExportFormat, write_export
from helperhub.services.search_words import MOST_CHARACTERS, join_filters
from helperhub.services.undo import Change

#: Most ids that one request may name.
MOST_IDS = 1000
_LONGEST_WAIT = timedelta(seconds=60)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
Id = Annotated[
    str,
    Path(
        description="The execution's id; `#` in it is written `%23`.",
        examples=["01m84yb79fsz0ce3bv59dd"],
        max_length=600,
    ),
]
Ids = Annotated[list[str], Field(min_length=1, max_length=MOST_IDS, description="Their ids.")]
Helper = Annotated[
    str | None, Query(max_length=200, description="Only this helper with its instances, or this instance.")
]
Words = Annotated[
    str,
    Query(
        max_length=MOST_CHARACTERS,
        description="A search in words: `helper:`, `status:`, `queue:`, `since:`, `until:`, `text:`, `metadata.NAME:`;"
        " other words are text.",
        examples=['helper:weather status:error,expired since:2h "timed out"'],
    ),
]
_READ, _RUN = Scope.READ, Scope.RUN


class ReplayBody(BaseModel):
    """Which executions to put back."""

    model_config = ConfigDict(extra="forbid")

    ids: Ids


def build_execution_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/executions``."""
    routes = build_router("/executions", "executions")
    _add_list(routes, hub)
    _add_export(routes, hub)
    _add_changes(routes, hub)
    _add_looks(routes, hub)
    return routes


def _add_list(routes: APIRouter, hub: Hub) -> None:
    @routes.get("", summary="List executions", response_model=ExecutionPage, **needs(_READ, errors=(400,)))
    def list_executions(  # noqa: PLR0913 - one argument for each filter
        *,
        caller: Caller,
        q: Words = "",
        helper: Helper = None,
        status: Annotated[list[Status], Query(description="Only in these states; may be repeated.")] = [],  # noqa: B006 - FastAPI copies it
        queue: Annotated[str | None, Query(max_length=200, description="Only of this queue.")] = None,
        since: Annotated[Moment | None, Query(description="Finished at or after, RFC 3339.")] = None,
        until: Annotated[Moment | None, Query(description="Finished at or before, RFC 3339.")] = None,
        metadata: Annotated[
            list[Pair], Query(max_length=20, description="`name=value`; may be repeated.", examples=["app=shop"])
        ] = [],  # noqa: B006 - as above
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """Executions, newest first: what runs, what waits, what is over; `status=planned` shows what is to come.

        What left Redis comes from the archive; `archive` says whether that could be read. A page may hold fewer than
        `limit`, even none, where few fit: go on until `next_cursor` is null.
        """
        options = ExecutionFilter(
            helper, frozenset(status), queue, read_time(since), read_time(until), read_pairs(metadata)
        )
        wanted = join_filters(hub.executions.read_query(q), options)
        place = read_cursor(cursor, "part", "at") or None
        found = find_page(hub.executions, wanted, limit=limit, place=place, sees=caller.sees)
        return as_json(page_document(found))

    @routes.post(
        "",
        status_code=202,
        summary="Start many",
        response_model=StartedList,
        **needs(_RUN, spooled=True, errors=(400, 404, 413)),
    )
    def start_many(
        caller: Caller,
        body: Annotated[BatchBody, Body()],
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Start up to 1,000 executions: 500 a round trip to Redis if they differ in helper, payload and id only.

        With `Idempotency-Key`, the same request again starts nothing new.
        """
        return as_json(start_batch(hub, caller, body, idempotency_key), 202)


def _add_export(routes: APIRouter, hub: Hub) -> None:
    @routes.get(
        "/export",
        summary="Export executions",
        response_class=StreamingResponse,
        **_stream_shape(needs(_READ, errors=(400, 503))),
    )
    def export_executions(
        caller: Caller,
        q: Words = "",
        kind: Annotated[ExportFormat, Query(alias="format", description="What kind of file.")] = ExportFormat.JSONL,
    ) -> Response:
        """All executions that the search finds, newest first, as a file: nothing is left out, or it breaks off.

        In CSV a cell that a spreadsheet would take for a formula (it begins with `=`, `+`, `-`, `@` or a tab) has a `'`
        before it.
        """
        history = hub.executions.history(hub.executions.read_query(q), strict=True)
        parts = write_export((one for one in history.found() if caller.sees(one.helper, one.queue)), kind)
        # Before the answer begins: what is wrong from the start is said as any other error.
        first = next(parts)
        name = {"Content-Disposition": f'attachment; filename="executions.{kind.value}"'}
        return StreamingResponse(chain([first], parts), headers=name, media_type=MEDIA_TYPES[kind])


def _add_changes(routes: APIRouter, hub: Hub) -> None:
    @routes.post("/replay", summary="Replay many", response_model=ReplayedList, **needs(_RUN, errors=(404, 409)))
    def replay_many(caller: Caller, body: Annotated[ReplayBody, Body()]) -> Response:
        """Put finished executions back, as new ones; none if one of them isn't known."""
        for id_ in body.ids:
            seen(hub, caller, id_)
        change = hub.undo.begin(Change.REPLAY)
        done = replayed(hub.executions.replay(body.ids, undo=change))
        return as_json({"replayed": done, "undo": hub.undo.id_of(change)})

    # Before the routes that end in the id: it may have slashes, so an id matches whole paths.
    @routes.post(
        "/{id:path}/replay", summary="Replay", response_model=ReplayedOneDocument, **needs(_RUN, errors=(404, 409))
    )
    def replay(caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        """Put a finished execution back, as a new one. A dead letter is replayed once: again answers the same id."""
        seen(hub, caller, id)
        change = hub.undo.begin(Change.REPLAY)
        (done,) = replayed(hub.executions.replay([id], undo=change))
        return as_json({**done, "undo": hub.undo.id_of(change)})

    @routes.post(
        "/{id:path}/cancel",
        summary="Cancel",
        response_model=CancelledDocument,
        **needs(Scope.MANAGE, errors=(404, 409)),
    )
    def cancel(caller: Caller, id: Id, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: A002, B008 - DESIGN's word; a frozen default
        """Stop it: at once if it is planned or waits; if it runs, it is asked to stop."""
        seen(hub, caller, id)
        return as_json({"id": id, "outcome": hub.executions.cancel(id, reason=body.reason)})


def _add_looks(routes: APIRouter, hub: Hub) -> None:
    @routes.get("/{id:path}/log", summary="Show the log", response_model=LogReport, **needs(_READ, errors=(404,)))
    def log(caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        """What it logged lately, oldest first."""
        seen(hub, caller, id)
        return as_json({"id": id, "log": hub.executions.log(id)})

    @routes.get(
        "/{id:path}/progress", summary="Show the progress", response_model=ProgressReport, **needs(_READ, errors=(404,))
    )
    def progress(caller: Caller, id: Id) -> Response:  # noqa: A002 - as above
        """How far it says it is."""
        seen(hub, caller, id)
        return as_json({"id": id, "progress": hub.executions.progress(id)})

    @routes.get("/{id:path}/wait", summary="Wait", response_model=ExecutionDocument, **needs(_READ, errors=(400, 404)))
    async def wait(
        request: Request,
        caller: Caller,
        id: Id,  # noqa: A002 - as above
        timeout: Annotated[Patience, Query(description="At most so long, up to 60s.", examples=["30s"])] = "30s",
    ) -> Response:
        """Answer once it is over, or as it stands after `timeout`: then ask again."""
        longest = read_duration(timeout, "timeout") or timedelta(0)
        if not timedelta(0) <= longest <= _LONGEST_WAIT:
            message = f"timeout: {timeout} is out of range."
            raise UsageError(message, hint="Wait up to 60s, and ask again.")
        return as_json((await _end_of(hub, caller, id, request, longest)).to_document())

    @routes.get("/{id:path}", summary="Show", response_model=ExecutionStoryDocument, **needs(_READ, errors=(404,)))
    def show(caller: Caller, id: Id) -> Response:  # noqa: A002 - as above
        """One execution: its attempts' errors, what holds it back, its progress, log and result."""
        seen(hub, caller, id)
        story = hub.executions.show(id).to_document()
        return as_json({**story, "progress": hub.executions.progress(id), "log": hub.executions.log(id)})


async def _end_of(hub: Hub, caller: Principal, id_: str, request: Request, longest: timedelta) -> Execution:
    """Return an execution once it is over, the time is, or nobody waits any more; holds no thread meanwhile."""
    deadline = time.monotonic() + longest.total_seconds()
    pause = _FIRST_PAUSE_S
    while True:
        execution = await run_in_threadpool(seen, hub, caller, id_)
        left = deadline - time.monotonic()
        if execution.status.final or left <= 0 or await request.is_disconnected():
            return execution
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)


def seen(hub: Hub, caller: Principal, execution_id: str) -> Execution:
    """Return an execution that ``caller`` may see.

    Raises:
        NotFound: There is none, for all that he may know.
    """
    execution = hub.executions.get(execution_id)
    if not caller.sees(execution.helper, execution.queue):
        message = f"Nothing is known of execution '{execution_id}'."
        raise NotFound(message, hint="Its history may have ended, or it isn't one of this key's.")
    return execution


def replayed(pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Return (old id, new id) as documents."""
    return [{"id": new, "replay_of": old} for old, new in pairs]


def page_document(page: Page) -> dict[str, Any]:
    """Return a page as its document."""
    following = None if page.following is None else write_cursor(page.following)
    return {
        "executions": [one.to_document() for one in page.executions],
        "next_cursor": following,
        "archive": (page.archive or NO_ARCHIVE).to_document(),
    }


def _stream_shape(given: dict[str, Any]) -> dict[str, Any]:
    """Return what a route that answers with a file declares."""
    examples = {
        ExportFormat.CSV: "id,helper,instance,...\r\n",
        ExportFormat.JSONL: '{"id": "weather@20261123T083000Z"}\n',
    }
    content = {
        MEDIA_TYPES[kind].partition(";")[0]: {"schema": {"type": "string"}, "example": example}
        for kind, example in examples.items()
    }
    given["responses"] |= {200: {"description": "The file.", "content": content}}
    return given


def read_pairs(texts: list[str]) -> dict[str, str] | None:
    """Return ``name=value`` texts as a dict; None if there are none.

    Raises:
        UsageError: One has no name or no value.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            message = f"metadata: '{text[:80]}' is not of the form name=value."
            raise UsageError(message)
        found[name] = value
    return found or None
