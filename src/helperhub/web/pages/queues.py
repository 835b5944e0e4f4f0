"""Queues: how much waits in each and why, paused, resumed, purged."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import Caller, build_router, of_session
from helperhub.api.routes.queues import check_queue, sees_queue
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.services.undo import Change
from helperhub.web.confirm import Field, Question, act, ask
from helperhub.web.forms import Form
from helperhub.web.notice import done
from helperhub.web.pages.undo import way_back
from helperhub.web.render import Pages

Name = Annotated[str, Query(max_length=200)]
_WAITING = ("ready", "delayed", "parked", "limited")


def build_queues_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes of the page of queues."""
    routes = build_router("", "dashboard")

    @routes.get("/queues", **of_session(Scope.READ))
    def show(request: Request, caller: Caller) -> Response:
        return pages.page(request, "queues.html", title="Queues", queues=_look(hub, caller))

    @routes.post("/queues/pause", **of_session(Scope.MANAGE))
    def pause(caller: Caller, form: Form) -> Response:
        name = form.get("name", "")
        check_queue(hub, caller, name)
        hub.queues.pause(name)
        return done(f"Queue {name} is paused: nothing is claimed from it, what runs goes on.")

    @routes.post("/queues/resume", **of_session(Scope.MANAGE))
    def resume(caller: Caller, form: Form) -> Response:
        name = form.get("name", "")
        check_queue(hub, caller, name)
        hub.queues.resume(name)
        return done(f"Queue {name} is claimed from again.")

    @routes.get("/queues/purge", **of_session(Scope.MANAGE))
    def ask_purge(request: Request, caller: Caller, name: Name = "") -> Response:
        check_queue(hub, caller, name)
        return ask(pages, request, _question(hub, caller, name))

    @routes.post("/queues/purge", **of_session(Scope.MANAGE))
    def purge(request: Request, caller: Caller, form: Form) -> Response:
        name, reason = form.get("name", ""), form.get("reason", "")[:500]
        check_queue(hub, caller, name)

        def deed() -> Response:
            change = hub.undo.begin(Change.PURGE, name)
            found = hub.queues.purge(name, reason=reason, undo=change)
            text = f"{found:,} executions of queue {name} were cancelled."
            return done(text, undo=way_back(hub, pages, request, change))

        return act(hub, pages, request, form, _question(hub, caller, name), deed)

    return routes


def _look(hub: Hub, caller: Principal) -> list[dict[str, Any]]:
    found = [stats.to_document() for stats in hub.queues.all() if sees_queue(caller, stats.name)]
    return [{**one, "waiting": sum(one[name] for name in _WAITING)} for one in found]


def _question(hub: Hub, caller: Principal, name: str) -> Question:
    waiting = next((one["waiting"] for one in _look(hub, caller) if one["name"] == name), 0)
    return Question(
        title=f"Purge queue {name}?",
        text=f"{waiting:,} executions wait in it now; all of them are cancelled. What runs goes on, and dead letters "
        "stay. For 10 minutes it can be undone: that enqueues them again. Later each can be replayed from the records.",
        action="queues/purge",
        button=f"Cancel {waiting:,} executions",
        values={"name": name},
        fields=(Field("reason", "Why", hint="For the audit, and for whoever wonders."),),
        danger=True,
        key=True,
    )
