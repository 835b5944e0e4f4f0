"""Callbacks: whom the hub has told that something ended, what was answered, and telling once more."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import Caller, of_session
from helperhub.api.answers import read_cursor, write_cursor
from helperhub.api.routes.callbacks import check_callback
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.services.callbacks import CallbackFilter
from helperhub.web.forms import Form
from helperhub.web.notice import done
from helperhub.web.render import Pages

_SHOWN = 50
#: What the page offers to choose from; callbacks know no other states that matter.
_STATES = ("", "queued", "running", "success", "error")
State = Annotated[str, Query(max_length=20)]
Cursor = Annotated[str, Query(max_length=1000)]


def add_callbacks(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    """Add the routes below ``/webhooks/callbacks``."""

    @routes.get("/webhooks/callbacks", **of_session(Scope.READ))
    def show(request: Request, caller: Caller, status: State = "", cursor: Cursor = "") -> Response:
        chosen = status if status in _STATES else ""
        wanted = CallbackFilter(statuses=frozenset({Status(chosen)} if chosen else ()))
        place = read_cursor(cursor or None, "part", "at") or None
        found, following = hub.callbacks.page(wanted, limit=_SHOWN, place=place, sees=caller.sees)
        given: dict[str, Any] = {"callbacks": found, "status": chosen, "states": _STATES, "cursor": cursor}
        given["older"] = "" if following is None else write_cursor(following)
        return pages.page(request, "callbacks.html", title="Callbacks", **given)

    @routes.post("/webhooks/callbacks/replay", **of_session(Scope.MANAGE))
    def replay(caller: Caller, form: Form) -> Response:
        check_callback(hub, caller, form.get("id", ""))
        hub.callbacks.replay(form["id"])
        return done("The same document goes out once more, under the same webhook-id.")
