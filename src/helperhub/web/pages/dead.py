"""Dead letters: by cause; one, a group or all of them replayed or deleted; one replayed with another payload."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from helperhub.api.access import Caller, build_router, of_session
from helperhub.api.answers import Cursor, read_cursor, write_cursor
from helperhub.api.routes.executions import seen
from helperhub.errors import InvalidPayload, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Execution
from helperhub.model.instant import parse_instant, to_rfc3339
from helperhub.model.limits import parse_rate
from helperhub.services.dead_letters import DeadFilter
from helperhub.services.mass_replay import MOST_FIRST_ONES, MassReplay
from helperhub.services.strict_json import read_json
from helperhub.services.undo import Change
from helperhub.web.chosen import in_words
from helperhub.web.confirm import KEY_FIELD, check_confirmed
from helperhub.web.forms import Form
from helperhub.web.kept import Kept
from helperhub.web.notice import done, lead_to
from helperhub.web.pages.undo import way_back
from helperhub.web.render import Pages, show_json
from helperhub.web.rows import row_of

_OF_A_PAGE = 30
#: So many causes are shown, the most frequent first.
_GROUPS = 50
_NOUN = "dead letter"
Name = Annotated[str, Query(max_length=200)]
Fingerprint = Annotated[str, Query(max_length=64)]
Id = Annotated[str, Path(max_length=600)]


def build_dead_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes under ``/dead``."""
    routes = build_router("", "dashboard")
    _add_list(routes, hub, pages)
    _add_many(routes, hub, pages)
    _add_one(routes, hub, pages)
    return routes


def _add_list(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    kept = Kept()

    @routes.get("/dead", **of_session(Scope.READ))
    def show(
        request: Request, caller: Caller, helper: Name = "", cause: Fingerprint = "", cursor: Cursor = None
    ) -> Response:
        found = _look(hub, kept, caller, helper.strip(), cause.strip(), cursor)
        return pages.page(request, "dead.html", title="Dead letters", **found)

    @routes.post("/dead/ask", **of_session(Scope.RUN))
    def ask(request: Request, caller: Caller, form: Form) -> Response:
        action = form.get("action", "")
        if action not in ("replay", "delete"):
            message = f"'{action[:40]}' can't be done to dead letters."
            raise UsageError(message, hint="Replay or delete them.")
        helper, cause = _read_which(form)
        grouped = hub.dead_letters.groups(DeadFilter(helper, sees=caller.sees))
        groups = [one for one in grouped.groups if cause in (None, one.cause.fingerprint)]
        number = sum(one.count for one in groups)
        return pages.part(
            request,
            "dead_ask.html",
            action=action,
            number=number,
            words=in_words(number, _NOUN),
            groups=[one.to_document() for one in groups[:6]],
            left=max(0, len(groups) - 6),
            more=grouped.looked < grouped.total,
            which={"helper": helper or "", "cause": cause or "", "all": "1"},
            at=to_rfc3339(hub.overview.now()),
            narrowed=caller.is_narrowed,
            most_first=MOST_FIRST_ONES,
            key_field=KEY_FIELD,
            confirmed=request.state.session.confirmed,
        )


def _add_many(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.post("/dead/replay", **of_session(Scope.RUN))
    def replay_matching(request: Request, caller: Caller, form: Form) -> Response:
        helper, cause = _read_which(form)
        check_confirmed(hub, request, form)
        if caller.is_narrowed:
            # The execution that replays at a rate does so for the whole hub.
            change = hub.undo.begin(Change.REPLAY)
            found = hub.executions.replay_all(_ids_of(hub, caller, form), undo=change)
            back = way_back(hub, pages, request, change)
            return done(f"{in_words(len(found), _NOUN)} put back.", undo=back)
        rate = form.get("rate", "").strip()
        first = form.get("stop_after_failures", "").strip()
        wanted = MassReplay(helper, cause, parse_rate(rate) if rate else None, _read_number(first) if first else None)
        id_ = hub.mass_replays.start(wanted)
        text = "They are replayed by this execution, which says how far it is."
        return lead_to(request, f"executions/{id_}", text=text, undo=way_back(hub, pages, request, id_))

    @routes.post("/dead/delete", **of_session(Scope.MANAGE))
    def delete_matching(request: Request, caller: Caller, form: Form) -> Response:
        _read_which(form)
        check_confirmed(hub, request, form)
        change = hub.undo.begin(Change.DELETE)
        number = hub.dead_letters.delete(_ids_of(hub, caller, form), undo=change)
        return done(f"{in_words(number, _NOUN)} deleted.", undo=way_back(hub, pages, request, change))


def _add_one(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.post("/dead/{id:path}/replay", **of_session(Scope.RUN))
    def replay(request: Request, caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        _letter(hub, caller, id)
        change = hub.undo.begin(Change.REPLAY)
        ((_, new),) = hub.dead_letters.replay([id], undo=change)
        return done(f"Put back as {new}.", undo=way_back(hub, pages, request, change))

    @routes.post("/dead/{id:path}/delete", **of_session(Scope.MANAGE))
    def delete(request: Request, caller: Caller, id: Id) -> Response:  # noqa: A002 - as above
        _letter(hub, caller, id)
        change = hub.undo.begin(Change.DELETE)
        number = hub.dead_letters.delete([id], undo=change)
        return done(f"{in_words(number, _NOUN)} deleted.", undo=way_back(hub, pages, request, change))

    @routes.get("/dead/{id:path}/edit", **of_session(Scope.MANAGE))
    def edit(request: Request, caller: Caller, id: Id) -> Response:  # noqa: A002 - as above
        letter = _letter(hub, caller, id)
        return pages.page(
            request,
            "dead_edit.html",
            title=f"Edit and replay {letter.helper}",
            one=row_of(letter),
            payload=show_json(letter.payload),
        )

    @routes.post("/dead/{id:path}/edit", **of_session(Scope.MANAGE))
    def replay_edited(request: Request, caller: Caller, id: Id, form: Form) -> Response:  # noqa: A002 - as above
        _letter(hub, caller, id)
        change = hub.undo.begin(Change.REPLAY)
        new = hub.dead_letters.replay_edited(id, _read_payload(form.get("payload", "")), undo=change)
        back = way_back(hub, pages, request, change)
        return lead_to(request, f"executions/{quote(new)}", text="Put back as this execution.", undo=back)


def _look(hub: Hub, kept: Kept, caller: Principal, helper: str, cause: str, cursor: str | None) -> dict[str, Any]:
    place = read_cursor(cursor, "at") or None
    # As long as none comes or goes, their causes are what they were.
    key = helper, caller.helpers, caller.queues, hub.dead_letters.mark()
    grouped = kept.ask(key, lambda: hub.dead_letters.groups(DeadFilter(helper or None, sees=caller.sees)))
    page = hub.dead_letters.page(DeadFilter(helper or None, cause or None, caller.sees), limit=_OF_A_PAGE, place=place)
    shown = [one for n, one in enumerate(grouped.groups) if n < _GROUPS or one.cause.fingerprint == cause]
    groups = [one.to_document() for one in shown]
    return {
        "of": helper,
        "cause": cause,
        "cursor": cursor,
        "groups": groups,
        "chosen": next((one for one in groups if one["fingerprint"] == cause), None),
        "number": sum(one.count for one in grouped.groups),
        "more_groups": len(grouped.groups) - len(groups),
        "is_partial": grouped.looked < grouped.total and not caller.is_narrowed,
        "looked": grouped.looked,
        "rows": [row_of(one) for one in page.executions],
        "following": None if page.following is None else write_cursor(page.following),
    }


def _read_which(form: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the helper and cause that a form names.

    Raises:
        UsageError: It names none, and doesn't say all.
    """
    helper, cause = form.get("helper", "").strip(), form.get("cause", "").strip()
    if not (helper or cause or form.get("all")):
        message = "Which dead letters?"
        raise UsageError(message, hint="Name a helper or a cause, or all.")
    return helper or None, cause or None


def _ids_of(hub: Hub, caller: Principal, form: Mapping[str, str]) -> list[str]:
    """Return those that match and had been given up when it was asked whether to."""
    helper, cause = _read_which(form)
    asked_at = parse_instant(form.get("at", ""))
    found = hub.dead_letters.matching(DeadFilter(helper, cause, caller.sees))
    return [one.id for one in found if one.finished_at is None or one.finished_at <= asked_at]


def _read_number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        message = f"'{text[:40]}' is not a number of failures."
        raise UsageError(message, hint=f"Take 1 to {MOST_FIRST_ONES}, or leave it empty.") from error


def _read_payload(text: str) -> Any:
    try:
        return read_json(text.encode())
    except json.JSONDecodeError as error:
        message = f"The payload is no JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        raise InvalidPayload(message, hint='Texts and names stand in double quotes: {"city": "Berlin"}.') from error


def _letter(hub: Hub, caller: Principal, execution_id: str) -> Execution:
    """Return a dead letter that the caller may see.

    Raises:
        NotFound: There is none, for all that he may know.
    """
    found = seen(hub, caller, execution_id)
    hub.dead_letters.check_dead(found)
    return found


__all__ = ["build_dead_page"]
