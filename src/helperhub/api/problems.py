"""Errors as RFC 9457 problem details: what happened, why, what to do, in one shape on every route."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from helperhub import errors
from helperhub.api.answers import write_json
from helperhub.api.refusals import Refusals, told_of
from helperhub.errors import HelperHubError

_log = logging.getLogger("helperhub.api")
MEDIA_TYPE = "application/problem+json"
#: When to ask again where nobody knows better, seconds.
RETRY_AFTER_S = 5
#: The nearest of an error's classes decides.
_STATUS: dict[type[HelperHubError], int] = {
    errors.UsageError: 400,
    errors.Inapplicable: 409,
    errors.NoSuchPage: 404,
    errors.InvalidPayload: 422,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Outdated: 412,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.TooMany: 429,
    errors.QueueFull: 503,
    errors.StoreError: 500,
    errors.StoreUnavailable: 503,
    errors.StoreRefused: 503,
    errors.CorruptRecord: 409,
    errors.ArchiveError: 503,
    HelperHubError: 500,
}


class Problem(BaseModel):
    """An error, as RFC 9457 has it; ``hint`` and ``code`` are ours."""

    type: str = Field(examples=["urn:helperhub:problem:not_found"], description="The kind of error, by its code.")
    title: str = Field(examples=["Not Found"], description="The kind of error, for people.")
    status: int = Field(examples=[404], description="The HTTP status.")
    detail: str = Field(examples=["No helper is named 'wether'."], description="What happened, and why.")
    code: str = Field(examples=["not_found"], description="Stable; the same word as on the command line.")
    hint: str = Field(default="", examples=["Did you mean 'weather'?"], description="What to do about it.")


class ValidationProblem(Problem):
    """A request that doesn't fit its schema, with each place that doesn't."""

    errors: list[dict[str, Any]] = Field(
        default=[], examples=[[{"loc": ["body", "priority"], "msg": "Input should be less than or equal to 5"}]]
    )


def status_of(error: HelperHubError) -> int:
    """Return the HTTP status of an error."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def answer(
    status: int,
    detail: str,
    *,
    code: str,
    hint: str = "",
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Response:
    """Return a problem as a response.

    Args:
        status: The HTTP status.
        detail: What happened, and why.
        code: The kind, stable.
        hint: What to do.
        headers: More headers.
        more: More members of the document.
    """
    document = {
        "type": f"urn:helperhub:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "hint": hint,
        **(more or {}),
    }
    return Response(write_json(document), status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def not_possible(method: str, path: str, methods: Iterable[str]) -> Response:
    """Return the answer to a method that a path doesn't have (RFC 9110, 15.5.6: it names those that there are)."""
    detail = f"{method[:40]} isn't possible at {path[:200]}."
    hint = f"There is: {', '.join(sorted(methods))}."
    return answer(405, detail, code="method_not_allowed", hint=hint, headers={"Allow": ", ".join(sorted(methods))})


def of_error(error: HelperHubError) -> Response:
    """Return an error of ours as a response."""
    headers: dict[str, str] = {}
    more: dict[str, Any] = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="helperhub"'
    if isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if isinstance(error, errors.QueueFull):
        more = {"queue": error.queue, "depth": error.depth, "bound": error.bound}
    status = status_of(error)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request_failed", extra={"error": str(error), "code": error.code})
    return answer(status, error.message, code=error.code, hint=error.hint, headers=headers, more=more)


def install(app: FastAPI) -> None:
    """Let every error of ``app`` be answered so."""
    refusals = Refusals()

    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HelperHubError)  # noqa: S101 - for the type only: Starlette looks it up by class
        refusals.note(request, error)
        return of_error(error)

    app.add_exception_handler(HelperHubError, on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


async def _on_invalid(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    # Without what was sent: it may be a secret, and the caller has it.
    places = [{"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    first = places[0] if places else {"loc": [], "msg": "it can't be read"}
    where = ".".join(str(part) for part in first["loc"])
    said = next((str(one["ctx"]["error"]) for one in error.errors()[:1] if one["type"] == "json_invalid"), "")
    detail = f"The request doesn't fit: {where}: {first['msg']}{': ' if said else ''}{said}."
    hint = "/docs shows what each route takes."
    return answer(422, detail, code="invalid_request", hint=hint, more={"errors": places})


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(404, f"There is nothing at {request.url.path}.", code="not_found", hint="/docs lists the routes.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} isn't possible at {request.url.path}."
        return answer(405, detail, code="method_not_allowed", headers=error.headers)
    return answer(error.status_code, str(error.detail), code="invalid_request", headers=error.headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    incident = uuid.uuid4().hex[:12]
    fields = {"incident": incident, "method": request.method, "route": told_of(request)["route"]}
    # The route as declared: the path itself may hold a webhook's token.
    _log.error("request_broke", extra=fields, exc_info=error)
    detail = f"HelperHub failed on this request; its log has more under {incident}."
    return answer(500, detail, code="internal", more={"incident": incident})
