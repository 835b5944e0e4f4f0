"""Signing in with an API key, or with a link that works once; and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from helperhub.api.access import COOKIE, PUBLIC, build_router, needs, of_session
from helperhub.errors import Forbidden, Unauthenticated
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.services.sessions import Session
from helperhub.web.forms import Form
from helperhub.web.notice import lead_to
from helperhub.web.render import Pages

_PUBLIC = {"openapi_extra": needs(PUBLIC)["openapi_extra"], "include_in_schema": False}
Next = Annotated[str, Query(alias="next", max_length=2000)]


def build_sign_in(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes ``/sign-in``, ``/link/...`` and ``/sign-out``."""
    routes = build_router("", "dashboard")
    throttle = hub.settings.web.failures

    @routes.get("/sign-in", **_PUBLIC)
    def ask(request: Request, to: Next = "") -> Response:
        return pages.page(request, "sign_in.html", title="Sign in", to=_inside(to), problem="", failures=throttle)

    @routes.post("/sign-in", **_PUBLIC)
    def sign_in(request: Request, form: Form, to: Next = "") -> Response:
        _check_origin(request)
        try:
            session = hub.sessions.sign_in(form.get("key", "")[:200].strip())
        except Unauthenticated as error:
            shown = {"title": "Sign in", "to": _inside(to), "failures": throttle}
            return pages.page(request, "sign_in.html", code=401, problem=error.message, **shown)
        return _begin(request, session, _inside(to))

    @routes.get("/link/{token}", **_PUBLIC)
    def redeem(request: Request, token: str) -> Response:
        return _begin(request, hub.sessions.redeem(token), "/ui/")

    @routes.post("/sign-out", **of_session(Scope.READ))
    def sign_out(request: Request) -> Response:
        hub.sessions.sign_out(request.state.session)
        answer = lead_to(request, "sign-in")
        answer.delete_cookie(COOKIE, path=_path(request))
        return answer

    return routes


def _begin(request: Request, session: Session, to: str) -> Response:
    answer = RedirectResponse(f"{request.scope.get('root_path', '')}{to}", 303)
    answer.set_cookie(
        COOKIE,
        session.token,
        path=_path(request),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _path(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}/ui"


def _inside(to: str) -> str:
    """Return where to go afterwards, if that is a page of the dashboard."""
    safe = to.startswith("/ui/") and "\\" not in to and "//" not in to
    return to if safe else "/ui/"


def _check_origin(request: Request) -> None:
    """Refuse a form of another site: there is no session yet that could have a token against that.

    Raises:
        Forbidden: The browser says that the form stands elsewhere.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        message = "The form is of another site."
        raise Forbidden(message)
    origin = request.headers.get("origin")
    if origin not in (None, "null", f"{request.url.scheme}://{request.headers.get('host', '')}"):
        message = "The form is of another site."
        raise Forbidden(message)
