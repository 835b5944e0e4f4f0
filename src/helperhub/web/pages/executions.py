"""Executions: searched in words, page by page, as a file; many of them cancelled or replayed at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from helperhub.api.access import Caller, build_router, of_session
from helperhub.api.answers import Cursor, read_cursor, write_cursor
from helperhub.api.routes.executions import seen
from helperhub.errors import ArchiveTooSlow, NotFound, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Execution, Status
from helperhub.model.instant import parse_instant, to_rfc3339
from helperhub.services.archived import NO_ARCHIVE
from helperhub.services.execution_pages import find_page
from helperhub.services.export import MEDIA_TYPES, ExportFormat, write_export
from helperhub.services.search_words import MOST_CHARACTERS
from helperhub.services.undo import Change
from helperhub.web.chosen import chosen_in, count_kinds, in_words, read_ids
from helperhub.web.confirm import KEY_FIELD, check_confirmed
from helperhub.web.forms import Form
from helperhub.web.notice import done, lead_to
from helperhub.web.pages.execution import add_execution
from helperhub.web.pages.undo import way_back
from helperhub.web.pages.views import add_views
from helperhub.web.render import Pages
from helperhub.web.rows import row_of

_OF_A_PAGE = 50
_MOST_SUGGESTED = 12
#: Done at once to what matches: each is copied and signed, which takes a server some seconds.
_MOST_MATCHING = 5000
_FINAL = frozenset(one for one in Status if one.final)
#: What is planned is cancelled only by who asked to see it.
_OPEN = frozenset(Status) - _FINAL - {Status.PLANNED}
_BY = "cancelled on the dashboard"
Words = Annotated[str, Query(max_length=MOST_CHARACTERS)]
#: Common searches, and what they are called.
CHIPS = (
    ("", "All"),
    ("status:running", "Running"),
    ("status:queued,waiting", "Waiting"),
    ("status:planned", "Planned"),
    ("status:error since:24h", "Failed in 24 h"),
    ("status:expired,skipped since:24h", "Never ran in 24 h"),
    ("status:success since:1h", "Succeeded in 1 h"),
)


def build_executions_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes under ``/executions``."""
    routes = build_router("", "dashboard")
    _add_looks(routes, hub, pages)
    _add_actions(routes, hub, pages)
    add_views(routes, hub, pages)
    # Last: an id may have slashes, so it matches whole paths.
    add_execution(routes, hub, pages)
    return routes


def _add_looks(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.get("/executions", **of_session(Scope.READ))
    def show(request: Request, caller: Caller, q: Words = "", cursor: Cursor = None) -> Response:
        found = _look(hub, caller, q.strip(), cursor)
        code = 400 if found["problem"] else 200
        return pages.page(
            request, "executions.html", code=code, title="Executions", chips=CHIPS, views=hub.views.all(), **found
        )

    @routes.get("/executions/suggest", **of_session(Scope.READ))
    def suggest(request: Request, caller: Caller, q: Words = "") -> Response:
        return pages.part(request, "executions_suggest.html", suggestions=_suggest(hub, caller, q))

    @routes.get("/executions/export", **of_session(Scope.READ))
    def export(
        caller: Caller,
        q: Words = "",
        kind: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.CSV,
    ) -> Response:
        history = hub.executions.history(hub.executions.read_query(q), strict=True)
        parts = write_export((one for one in history.found() if caller.sees(one.helper, one.queue)), kind)
        # Before the answer begins: what is wrong from the start is a page that says so.
        first = next(parts)
        name = {"Content-Disposition": f'attachment; filename="executions.{kind.value}"', "Cache-Control": "no-store"}
        return StreamingResponse(chain([first], parts), headers=name, media_type=MEDIA_TYPES[kind])


def _add_actions(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.post("/executions/ask", **of_session(Scope.RUN))
    def ask(request: Request, caller: Caller, form: Form) -> Response:
        action = form.get("action", "")
        if action not in ("cancel", "replay"):
            message = f"'{action[:40]}' can't be done to executions."
            raise UsageError(message, hint="Cancel or replay them.")
        picks: Callable[[Execution], bool] = _is_open if action == "cancel" else _is_final
        at, of_all = to_rfc3339(hub.overview.now()), bool(form.get("all"))
        if of_all:
            found = list(islice(_matching(hub, caller, form.get("q", ""), action), _MOST_MATCHING + 1))
        else:
            found = [one for one in _chosen(hub, caller, chosen_in(form)) if picks(one)]
        taken = found[:_MOST_MATCHING]
        return pages.part(
            request,
            "executions_ask.html",
            action=action,
            words=in_words(len(taken)),
            number=len(taken),
            which={"all": "1", "q": form.get("q", ""), "at": at} if of_all else {"ids": json.dumps([*_ids(taken)])},
            kinds=count_kinds(taken),
            more=len(found) > _MOST_MATCHING,
            key_field=KEY_FIELD,
            confirmed=request.state.session.confirmed or not _needs_key(len(taken)),
        )

    @routes.post("/executions/replay", **of_session(Scope.RUN))
    def replay(request: Request, caller: Caller, form: Form) -> Response:
        ids = _ids_of(hub, request, caller, form, "replay")
        change = hub.undo.begin(Change.REPLAY)
        found = hub.executions.replay_all(ids, undo=change)
        back = way_back(hub, pages, request, change)
        if len(found) == len(ids) == 1:
            return lead_to(request, f"executions/{quote(found[0][1])}", text="Put back as this execution.", undo=back)
        return done(f"{in_words(len(found))} put back{_left_out(len(ids) - len(found))}.", undo=back)

    @routes.post("/executions/cancel", **of_session(Scope.MANAGE))
    def cancel(request: Request, caller: Caller, form: Form) -> Response:
        ids = _ids_of(hub, request, caller, form, "cancel")
        outcomes = hub.executions.cancel_all(ids, reason=_BY)
        asked = sum(one == "asked" for one in outcomes)
        running = f", {asked:,} of them run and were asked to stop" if asked else ""
        return done(f"{in_words(len(outcomes))} cancelled{running}{_left_out(len(ids) - len(outcomes))}.")


def _look(hub: Hub, caller: Principal, q: str, cursor: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"q": q, "cursor": cursor, "problem": None, "rows": [], "following": None}
    shown["archive"] = NO_ARCHIVE.to_document()
    try:
        wanted = hub.executions.read_query(q)
        place = read_cursor(cursor, "part", "at") or None
        page = find_page(hub.executions, wanted, limit=_OF_A_PAGE, place=place, sees=caller.sees)
    except (UsageError, ArchiveTooSlow) as error:
        return {**shown, "problem": error}
    return {
        **shown,
        "rows": [row_of(one) for one in page.executions],
        "following": None if page.following is None else write_cursor(page.following),
        "archive": (page.archive or NO_ARCHIVE).to_document(),
    }


def _suggest(hub: Hub, caller: Principal, q: str) -> list[str]:
    """Return searches that begin as ``q`` does; names that the caller may not see aren't among them."""
    found = []
    for word in hub.executions.suggest(q):
        name, _, value = word.partition(":")
        hidden = caller.is_narrowed and value and name in ("helper", "queue") and not _may_know(caller, name, value)
        if not hidden:
            found.append(word)
    start = max(q.rfind(" "), q.rfind("\t")) + 1
    return [f"{q[:start]}{word}" for word in found[:_MOST_SUGGESTED]]


def _may_know(caller: Principal, kind: str, name: str) -> bool:
    if kind == "queue":
        return not caller.queues or name in caller.queues
    # Of any queue: which one its executions are in says each of them.
    return replace(caller, queues=frozenset()).sees(name, "")


def _is_final(one: Execution) -> bool:
    return one.status.final


def _is_open(one: Execution) -> bool:
    return not one.status.final


def _matching(hub: Hub, caller: Principal, q: str, action: str) -> Iterator[Execution]:
    """Yield all that a search finds and that ``action`` can be done to."""
    wanted = hub.executions.read_query(q)
    fitting = _FINAL if action == "replay" else _OPEN | (wanted.statuses & {Status.PLANNED})
    statuses = wanted.statuses & fitting if wanted.statuses else fitting
    if not statuses:
        return iter(())
    found = hub.executions.history(replace(wanted, statuses=statuses)).found()
    return (one for one in found if caller.sees(one.helper, one.queue))


def _chosen(hub: Hub, caller: Principal, ids: list[str]) -> Iterator[Execution]:
    for id_ in ids:
        with suppress(NotFound):
            yield seen(hub, caller, id_)


def _ids(executions: Iterable[Execution]) -> Iterator[str]:
    return (one.id for one in executions)


def _ids_of(hub: Hub, request: Request, caller: Principal, form: Form, action: str) -> list[str]:
    """Return the ids that a confirmation names, or those that match as it asked.

    Raises:
        Unauthenticated: They are many, and the key wasn't shown once more.
        NotFound: One isn't the caller's.
        UsageError: The form is incomplete.
    """
    if form.get("all"):
        # What came since wasn't asked about.
        at = parse_instant(form.get("at", ""))
        found = (one for one in _matching(hub, caller, form.get("q", ""), action) if _was_there(one, at))
        ids = [*islice(_ids(found), _MOST_MATCHING)]
    else:
        ids = read_ids(form)
        if caller.is_narrowed:
            for id_ in ids:
                seen(hub, caller, id_)
    if _needs_key(len(ids)):
        check_confirmed(hub, request, form)
    return ids


def _was_there(one: Execution, at: datetime) -> bool:
    since = one.finished_at if one.status.final else one.enqueued_at
    return since is None or since <= at


def _needs_key(number: int) -> bool:
    return number > _OF_A_PAGE


def _left_out(number: int) -> str:
    return f"; {number:,} couldn't be, as they are by now" if number > 0 else ""


__all__ = ["CHIPS", "build_executions_page"]
