"""Webhooks: made with a token that is shown once, switched, rotated, deleted; and what came in by each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import Caller, build_router, of_session
from helperhub.api.bodies import read_duration
from helperhub.api.routes.webhooks import check_webhook, sees_webhook
from helperhub.errors import NotFound, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.services.execution_pages import find_page
from helperhub.services.webhooks import DEFAULT_OVERLAP, WebhookWish
from helperhub.web.confirm import Field, Question, act, ask
from helperhub.web.forms import Form
from helperhub.web.notice import done
from helperhub.web.pages.callbacks import add_callbacks
from helperhub.web.render import Pages

Id = Annotated[str, Query(max_length=40)]
_SHOWN = 50
_CREATE = Question(
    title="Make a webhook",
    text="Whoever posts to its address starts the helper, with what he posts as payload.",
    action="webhooks/create",
    button="Make the webhook",
    fields=(
        Field("helper", "Helper", hint="As lists show it, such as weather or checkin/shop.", required=True),
        Field("name", "Name", hint="By which people know it again, such as: shop orders.", required=True),
        Field("signed", "Take signed messages only (Standard Webhooks)", kind="checkbox"),
        Field("max_body", "Largest body, bytes", hint="Empty: the largest payload that the hub takes."),
    ),
)
_OVERLAP = Field("overlap", "The old one goes on for", "1d", "A duration, such as 1d or 2h; 0s ends it at once.")


def build_webhooks_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes of the pages of webhooks and callbacks."""
    routes = build_router("", "dashboard")

    @routes.get("/webhooks", **of_session(Scope.READ))
    def show(request: Request, caller: Caller) -> Response:
        found = [one for one in hub.webhooks.all() if sees_webhook(hub, caller, one["helper"])]
        found.sort(key=lambda one: (one["name"], one["id"]))
        return pages.page(request, "webhooks.html", title="Webhooks", webhooks=found)

    @routes.get("/webhooks/messages", **of_session(Scope.READ))
    def messages(request: Request, caller: Caller, id: Id = "") -> Response:  # noqa: A002 - DESIGN's word
        webhook = check_webhook(hub, caller, id)
        wanted = ExecutionFilter(metadata={"webhook": id})
        found = find_page(hub.executions, wanted, limit=_SHOWN, sees=caller.sees)
        executions = [one.to_document() for one in found.executions]
        title = f"Messages to {webhook['name']}"
        return pages.page(request, "webhook_messages.html", title=title, webhook=webhook, executions=executions)

    _add_switch(routes, hub)
    _add_making(routes, hub, pages)
    _add_rotating(routes, hub, pages)
    _add_deleting(routes, hub, pages)
    add_callbacks(routes, hub, pages)
    return routes


def _add_switch(routes: APIRouter, hub: Hub) -> None:
    @routes.post("/webhooks/enable", **of_session(Scope.MANAGE))
    def enable(caller: Caller, form: Form) -> Response:
        webhook = check_webhook(hub, caller, form.get("id", ""))
        hub.webhooks.switch(str(webhook["id"]), enabled=True)
        return done(f"Webhook {webhook['name']} takes messages again.")

    @routes.post("/webhooks/disable", **of_session(Scope.MANAGE))
    def disable(caller: Caller, form: Form) -> Response:
        webhook = check_webhook(hub, caller, form.get("id", ""))
        hub.webhooks.switch(str(webhook["id"]), enabled=False)
        return done(f"Webhook {webhook['name']} refuses messages.")


def _add_making(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.get("/webhooks/create", **of_session(Scope.MANAGE))
    def ask_create(request: Request) -> Response:
        return ask(pages, request, _CREATE)

    @routes.post("/webhooks/create", **of_session(Scope.MANAGE))
    def create(request: Request, caller: Caller, form: Form) -> Response:
        def deed() -> Response:
            wish = _read_wish(form)
            if not sees_webhook(hub, caller, wish.helper):
                message = f"No helper is named '{wish.helper[:80]}', or it isn't one of your key's."
                raise NotFound(message)
            token, secret, document = hub.webhooks.create(wish)
            return _shown_once(pages, request, f"Webhook {document['name']}", token, secret)

        return act(hub, pages, request, form, _CREATE, deed)


def _add_rotating(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.get("/webhooks/rotate", **of_session(Scope.MANAGE))
    def ask_rotate(request: Request, caller: Caller, id: Id = "", what: Id = "token") -> Response:  # noqa: A002 - DESIGN's word
        return ask(pages, request, _rotating(check_webhook(hub, caller, id), what))

    @routes.post("/webhooks/rotate", **of_session(Scope.MANAGE))
    def rotate(request: Request, caller: Caller, form: Form) -> Response:
        webhook, what = check_webhook(hub, caller, form.get("id", "")), form.get("what", "token")

        def deed() -> Response:
            overlap = read_duration(form.get("overlap", "").strip() or None, "overlap")
            overlap = DEFAULT_OVERLAP if overlap is None else overlap
            title = f"New {what} of {webhook['name']}"
            if what == "secret":
                secret, _ = hub.webhooks.rotate_secret(str(webhook["id"]), overlap=overlap)
                return _shown_once(pages, request, title, None, secret)
            token, _ = hub.webhooks.rotate_token(str(webhook["id"]), overlap=overlap)
            return _shown_once(pages, request, title, token, None)

        return act(hub, pages, request, form, _rotating(webhook, what), deed)


def _add_deleting(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.get("/webhooks/delete", **of_session(Scope.MANAGE))
    def ask_delete(request: Request, caller: Caller, id: Id = "") -> Response:  # noqa: A002 - as above
        return ask(pages, request, _deleting(check_webhook(hub, caller, id)))

    @routes.post("/webhooks/delete", **of_session(Scope.MANAGE))
    def delete(request: Request, caller: Caller, form: Form) -> Response:
        webhook = check_webhook(hub, caller, form.get("id", ""))

        def deed() -> Response:
            hub.webhooks.delete(str(webhook["id"]))
            return done(f"Webhook {webhook['name']} was deleted.")

        return act(hub, pages, request, form, _deleting(webhook), deed)


def _read_wish(form: Mapping[str, str]) -> WebhookWish:
    """Return what the form asks for.

    Raises:
        UsageError: The size isn't a number.
    """
    size = form.get("max_body", "").strip()
    if size and not (size.isascii() and size.isdigit() and len(size) < 12):
        message = "The largest body is a number of bytes."
        raise UsageError(message)
    helper, name = form.get("helper", "").strip(), form.get("name", "").strip()
    return WebhookWish(helper, name, signed=bool(form.get("signed")), max_body=int(size) if size else None)


def _rotating(webhook: Mapping[str, Any], what: str) -> Question:
    if what not in ("token", "secret"):
        message = f"A webhook has a token and a secret, no '{what[:40]}'."
        raise UsageError(message)
    more = "" if webhook["signed"] or what == "token" else " From then on it takes signed messages only."
    return Question(
        title=f"New {what} for {webhook['name']}?",
        text=f"The old {what} goes on for a while, so that whoever sends can take over the new one.{more}",
        action="webhooks/rotate",
        button=f"Make a new {what}",
        values={"id": str(webhook["id"]), "what": what},
        fields=(_OVERLAP,),
    )


def _deleting(webhook: Mapping[str, Any]) -> Question:
    return Question(
        title=f"Delete webhook {webhook['name']}?",
        text=f"Its next message is refused, and {webhook['helper']} isn't started by it any more. It can't be undone: "
        "another webhook has another address. To refuse messages for a while, disable it.",
        action="webhooks/delete",
        button="Delete the webhook",
        values={"id": str(webhook["id"])},
        danger=True,
    )


def _shown_once(pages: Pages, request: Request, title: str, token: str | None, secret: str | None) -> Response:
    secrets = []
    if token is not None:
        secrets.append(("Address", f"{str(request.base_url).rstrip('/')}/webhook/{token}"))
    if secret is not None:
        secrets.append(("Secret of signatures", secret))
    text = "This is the only time that it can be seen. Who knows the address can start the helper: keep it as a secret."
    shown = pages.part(request, "secret.html", title=title, text=text, secrets=secrets)
    return done(f"{title} was made.", shown=shown)
