"""API keys: made, rotated and revoked by admins, who show their own once more; a new one is shown once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import build_router, of_session
from helperhub.api.bodies import read_duration
from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.api_keys import DEFAULT_OVERLAP, KeyWish
from helperhub.web.confirm import Field, Question, act, ask
from helperhub.web.forms import Form
from helperhub.web.notice import done
from helperhub.web.render import Pages

Id = Annotated[str, Query(max_length=40)]
_NEVER = "never"
_OPTIONS: dict[str, Any] = of_session(Scope.ADMIN, whole=True)
_ABOUT = {
    Scope.READ: "read: see everything but secrets",
    Scope.RUN: "run: start helpers",
    Scope.MANAGE: "manage: read, run, and change helpers, queues, alerts and webhooks",
    Scope.ADMIN: "admin: everything, keys and audit too",
}
_CREATE = Question(
    title="Make a key",
    text="",
    action="keys/create",
    button="Make the key",
    fields=(
        Field("name", "Name", hint="By which people know it again, such as: build server.", required=True),
        *(Field(f"scope_{scope}", words, kind="checkbox") for scope, words in _ABOUT.items()),
        Field("helpers", "Only these helpers", hint="Names, parted by commas; empty: all."),
        Field("queues", "Only these queues", hint="Names, parted by commas; empty: all."),
        Field("expires_in", "Expires in", "90d", f"A duration, such as 90d; or: {_NEVER}."),
    ),
    key=True,
)


def build_keys_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes of the page of keys; for admins of the whole hub."""
    routes = build_router("", "dashboard")

    @routes.get("/keys", **_OPTIONS)
    def show(request: Request) -> Response:
        found = sorted(hub.api_keys.all(), key=lambda one: (one["expired"], one["name"], one["id"]))
        return pages.page(request, "keys.html", title="Keys", keys=found)

    @routes.get("/keys/create", **_OPTIONS)
    def ask_create(request: Request) -> Response:
        return ask(pages, request, _CREATE)

    @routes.post("/keys/create", **_OPTIONS)
    def create(request: Request, form: Form) -> Response:
        def deed() -> Response:
            text, document = hub.api_keys.create(_read_wish(form))
            return _shown_once(pages, request, text, f"The key {document['name']}")

        return act(hub, pages, request, form, _CREATE, deed)

    _add_rotating(routes, hub, pages)
    _add_revoking(routes, hub, pages)
    return routes


def _add_rotating(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.get("/keys/rotate", **_OPTIONS)
    def ask_rotate(request: Request, id: Id = "") -> Response:  # noqa: A002 - DESIGN's word
        return ask(pages, request, _rotating(_find(hub, id)))

    @routes.post("/keys/rotate", **_OPTIONS)
    def rotate(request: Request, form: Form) -> Response:
        key = _find(hub, form.get("id", ""))

        def deed() -> Response:
            overlap = read_duration(form.get("overlap", "").strip() or None, "overlap")
            text, _ = hub.api_keys.rotate(key["id"], overlap=DEFAULT_OVERLAP if overlap is None else overlap)
            return _shown_once(pages, request, text, f"The successor of {key['name']}")

        return act(hub, pages, request, form, _rotating(key), deed)


def _add_revoking(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.get("/keys/revoke", **_OPTIONS)
    def ask_revoke(request: Request, id: Id = "") -> Response:  # noqa: A002 - as above
        return ask(pages, request, _revoking(_find(hub, id)))

    @routes.post("/keys/revoke", **_OPTIONS)
    def revoke(request: Request, form: Form) -> Response:
        key = _find(hub, form.get("id", ""))

        def deed() -> Response:
            hub.api_keys.revoke(key["id"])
            return done(f"The key {key['name']} was revoked: its next request is refused.")

        return act(hub, pages, request, form, _revoking(key), deed)


def _find(hub: Hub, key_id: str) -> dict[str, Any]:
    found = next((one for one in hub.api_keys.all() if one["id"] == key_id), None)
    if found is None:
        message = f"There is no key '{key_id[:40]}'."
        raise NotFound(message)
    return found


def _read_wish(form: Mapping[str, str]) -> KeyWish:
    """Return what the form asks for.

    Raises:
        UsageError: The time can't be understood.
    """
    scopes = frozenset(scope for scope in Scope if form.get(f"scope_{scope}"))
    helpers, queues = (
        frozenset(re.split(r"[\s,]+", form.get(name, "").strip())) - {""} for name in ("helpers", "queues")
    )
    written = form.get("expires_in", "").strip()
    lifetime: timedelta | None = None if written.lower() == _NEVER else read_duration(written, "Expires in")
    return KeyWish(form.get("name", "").strip(), scopes, helpers, queues, lifetime)


def _rotating(key: dict[str, Any]) -> Question:
    return Question(
        title=f"Rotate the key {key['name']}?",
        text="Its successor may do the same and lives as long. The old one goes on for a while, so that whoever "
        "uses it can take over the new one.",
        action="keys/rotate",
        button="Make the successor",
        values={"id": key["id"]},
        fields=(
            Field("overlap", "The old one goes on for", "1d", "A duration, such as 1d or 2h; 0s ends it at once."),
        ),
        key=True,
    )


def _revoking(key: dict[str, Any]) -> Question:
    return Question(
        title=f"Revoke the key {key['name']}?",
        text=f"The next request with {key['id']} is refused, and sessions that began with it end. It can't be undone.",
        action="keys/revoke",
        button="Revoke the key",
        values={"id": key["id"]},
        danger=True,
        key=True,
    )


def _shown_once(pages: Pages, request: Request, text: str, what: str) -> Response:
    shown = pages.part(
        request,
        "secret.html",
        title=what,
        text="This is the only time that it can be seen: the hub keeps a digest of it.",
        secrets=[("Key", text)],
    )
    return done(f"{what} was made.", shown=shown)
