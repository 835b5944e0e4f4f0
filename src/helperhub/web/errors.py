"""Errors of the dashboard's routes as pages; where nobody is signed in, the way to do so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from helperhub.api.problems import status_of
from helperhub.errors import HelperHubError, SignInNeeded
from helperhub.web.notice import lead_to, refused
from helperhub.web.render import Pages

Handler = Callable[[Request, Exception], Awaitable[Response]]


def install(app: FastAPI, pages: Pages) -> None:
    """Answer what goes wrong under ``/ui`` for people; everything else stays as it is."""

    def wrap(kind: type[Exception], show: Callable[[Request, Exception], Response]) -> None:
        before: Handler = app.exception_handlers[kind]  # type: ignore[assignment]

        async def handle(request: Request, error: Exception) -> Response:
            root = request.scope.get("root_path", "")
            answer = await before(request, error)
            if not request.url.path.removeprefix(root).startswith("/ui/"):
                return answer
            return show(request, error)

        app.add_exception_handler(kind, handle)

    def on_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, HelperHubError)  # noqa: S101 - for the type only: Starlette looks it up by class
        if isinstance(error, SignInNeeded):
            return _to_sign_in(request)
        answer = pages.page(
            request, "error.html", code=status_of(error), title="Not possible", message=error.message, hint=error.hint
        )
        if request.method != "GET":  # htmx shows no part that is an error, but minds its headers
            return refused(answer, " ".join(filter(None, (error.message, error.hint))))
        return answer

    def on_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 422
        message = "There is no such page." if status == 404 else "The request can't be understood."
        return pages.page(request, "error.html", code=status, title="Not here", message=message, hint="")

    def on_bug(request: Request, error: Exception) -> Response:
        del error
        message = "HelperHub failed on this page; its log says why."
        return pages.page(request, "error.html", code=500, title="A fault of ours", message=message, hint="")

    wrap(HelperHubError, on_ours)
    wrap(HTTPException, on_http)
    wrap(RequestValidationError, on_http)
    wrap(Exception, on_bug)


def _to_sign_in(request: Request) -> Response:
    root = request.scope.get("root_path", "")
    if request.headers.get("hx-request") == "true":
        # htmx follows this with a whole page, so that the sign-in doesn't stand inside of another.
        return lead_to(request, "sign-in", code=401)
    back = request.url.path.removeprefix(root) + (f"?{request.url.query}" if request.url.query else "")
    return Response(status_code=303, headers={"Location": f"{root}/ui/sign-in?next={quote(back)}"})
