"""Saved searches on the page of executions: saved, renamed, deleted, each by its owner."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import of_session
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.search_words import MOST_CHARACTERS
from helperhub.services.views import MOST_NAME
from helperhub.web.confirm import Field, Question, act, ask
from helperhub.web.forms import Form
from helperhub.web.notice import done, lead_to
from helperhub.web.render import Pages

Name = Annotated[str, Query(max_length=4 * MOST_NAME)]
Words = Annotated[str, Query(max_length=MOST_CHARACTERS)]


def add_views(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    """Add the routes under ``/executions/views``."""

    @routes.get("/executions/views/save", **of_session(Scope.READ))
    def ask_save(request: Request, q: Words = "") -> Response:
        return ask(pages, request, _saving(q))

    @routes.post("/executions/views/save", **of_session(Scope.READ))
    def save(request: Request, form: Form) -> Response:
        name, query = form.get("name", ""), form.get("q", "")

        def deed() -> Response:
            view = hub.views.save(name, query)
            return lead_to(request, _page_of(view.query), text=f"Saved as {view.name}.")

        return act(hub, pages, request, form, _saving(query), deed)

    @routes.get("/executions/views/rename", **of_session(Scope.READ))
    def ask_rename(request: Request, name: Name = "") -> Response:
        return ask(pages, request, _renaming(name))

    @routes.post("/executions/views/rename", **of_session(Scope.READ))
    def rename(request: Request, form: Form) -> Response:
        old, new = form.get("old", ""), form.get("name", "")

        def deed() -> Response:
            view = hub.views.rename(old, new)
            return lead_to(request, _page_of(view.query), text=f"It is called {view.name} now.")

        return act(hub, pages, request, form, _renaming(old), deed)

    @routes.post("/executions/views/delete", **of_session(Scope.READ))
    def delete(request: Request, form: Form) -> Response:
        name = form.get("name", "")
        before = {one.name: one.query for one in hub.views.all()}
        hub.views.delete(name)
        back = pages.path(request, f"executions/views/restore?{urlencode({'name': name, 'q': before.get(name, '')})}")
        return done(f"{name} isn't saved any more.", undo=back)

    @routes.post("/executions/views/restore", **of_session(Scope.READ))
    def restore(name: Name = "", q: Words = "") -> Response:
        return done(f"{hub.views.save(name, q).name} is saved again.")


def _page_of(query: str) -> str:
    return f"executions?{urlencode({'q': query})}"


def _saving(query: str) -> Question:
    return Question(
        title="Save this search",
        text=f"{query}: it stands below the common searches then, for you alone. To others send its address.",
        action="executions/views/save",
        button="Save",
        values={"q": query},
        fields=(Field("name", "Name", required=True, hint="One that is saved already takes this search instead."),),
    )


def _renaming(name: str) -> Question:
    return Question(
        title=f"Rename {name}",
        text="",
        action="executions/views/rename",
        button="Rename",
        values={"old": name},
        fields=(Field("name", "Name", value=name, required=True),),
    )


__all__ = ["add_views"]
