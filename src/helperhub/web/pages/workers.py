"""Worker processes: where each runs, what it has in hand now, and how long its word holds."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from helperhub.api.access import build_router, of_session
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.web.forms import Form
from helperhub.web.notice import done
from helperhub.web.render import Pages


def build_workers_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes of the page of worker processes; they are of the whole hub."""
    routes = build_router("", "dashboard")

    @routes.get("/workers", **of_session(Scope.READ, whole=True))
    def show(request: Request) -> Response:
        return pages.page(request, "workers.html", title="Workers", workers=look(hub))

    @routes.post("/workers/pause", **of_session(Scope.MANAGE, whole=True))
    def pause(form: Form) -> Response:
        hub.workers.pause(form.get("id", ""))
        return done(f"{form.get('id')} claims nothing more; what it has in hand goes on.")

    @routes.post("/workers/resume", **of_session(Scope.MANAGE, whole=True))
    def resume(form: Form) -> Response:
        hub.workers.resume(form.get("id", ""))
        return done(f"{form.get('id')} claims again.")

    return routes


def look(hub: Hub) -> list[dict[str, Any]]:
    """Return each worker process with the executions that it has in hand, and the threads that run them.

    Raises:
        StoreError: Redis is away.
    """
    running = {one.id: one.to_document() for one in hub.overview.running()}
    found = []
    for worker in hub.workers.all():
        held = hub.workers.store.held(worker["id"]) if worker["running"] else {}
        doing = {one["id"]: one for one in worker["doing"]}
        hands = [_in_hand(running[id_], doing.get(id_)) for id_ in held if id_ in running]
        hands.sort(key=lambda one: (one["thread"] is None, one["thread"] or 0, one["since"] or ""))
        found.append({**worker, "hands": hands})
    return found


def _in_hand(one: dict[str, Any], doing: dict[str, Any] | None) -> dict[str, Any]:
    """Return an execution in hand: with the thread that its keeper saw run it, or without, before it starts."""
    if doing is None:
        return {**one, "thread": None, "since": one["started_at"]}
    return {**one, "thread": doing["thread"], "since": doing["since"]}
