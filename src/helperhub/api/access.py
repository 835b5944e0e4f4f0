"""Who may call a route: each names its scope, and one that names none is refused when the app is built."""

from __future__ import annotations

import logging
from hmac import compare_digest
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute, iter_route_contexts

from helperhub.api.idempotency import SECRET, SPOOLED
from helperhub.api.problems import MEDIA_TYPE, Problem, ValidationProblem
from helperhub.api.refusals import told_of
from helperhub.api.strict import StrictRoute
from helperhub.api.throttle import Throttle
from helperhub.errors import Forbidden, StoreUnavailable, Unauthenticated
from helperhub.model.access import NOBODY, Principal, Scope
from helperhub.services.accepting import Accepting
from helperhub.services.api_keys import ApiKeys, id_of
from helperhub.services.audit import act_as
from helperhub.services.sessions import Sessions

_log = logging.getLogger("helperhub.api")
#: The scope of a route that needs no key.
PUBLIC = "public"
#: OpenAPI's extension in which a route names its scope; ``x-whole`` says that narrowed keys are refused.
SCOPE = "x-scope"
_WHOLE = "x-whole"
#: A route of the dashboard: its caller is known by his session, not by a key.
_SESSION = "x-session"
#: The cookie of a session, and the header that every change must have beside it.
COOKIE, CSRF_HEADER = "hh_session", "x-csrf-token"
_KNOWN = frozenset({PUBLIC, *Scope})
_SAFE = frozenset({"GET", "HEAD"})
_NO_KEY = "This needs a key."
_SEND_ONE = "Send it as 'Authorization: Bearer hh_...'; 'helperhub keys create' makes one."


class Guard:
    """Checks the key of each request against what its route needs.

    Args:
        keys: Checks keys.
        throttle: Counts each key's requests, and each address's failures.
        open_reads: Whether reading needs no key.
        accepting: Tells whether Redis is away, and work is spooled.
        sessions: Knows people in front of the dashboard.
    """

    def __init__(
        self, keys: ApiKeys, throttle: Throttle, *, open_reads: bool, accepting: Accepting, sessions: Sessions
    ) -> None:
        """Keep them."""
        self._keys = keys
        self._sessions = sessions
        self._throttle = throttle
        self._open_reads = open_reads
        self._accepting = accepting

    async def __call__(self, request: Request) -> None:
        """Let the request pass, and let its caller be who acts; FastAPI calls this before each route.

        Raises:
            Unauthenticated: There is no key, or none that is valid.
            Forbidden: The key may not do this.
            TooMany: The key asks too often, or the address has shown too many wrong keys.
            StoreError: Redis can't be asked about the key.
        """
        route = request.scope["route"]
        extra = route.openapi_extra or {}
        needed = str(extra.get(SCOPE))
        if needed == PUBLIC:
            return
        if needed not in _KNOWN:  # `scopes_of` has refused such an app
            message = f"Nobody may call {route.path}: it names no scope."
            raise Forbidden(message)
        if extra.get(_SESSION):
            caller = await self._find_person(request)
        else:
            caller = await self._find_caller(request, Scope(needed), spooled=bool(extra.get(SPOOLED)))
        request.state.caller = caller
        if not caller.may(Scope(needed)):
            message = f"{caller.note or caller.name} may {', '.join(sorted(caller.scopes))}; this needs {needed}."
            raise Forbidden(message, hint="Use another key, or make one with that scope.")
        if extra.get(_WHOLE) and caller.is_narrowed:
            message = f"{caller.note or caller.name} is for some helpers or queues only; this is of the whole hub."
            raise Forbidden(message, hint="Use a key that isn't narrowed.")
        _log.debug("access_granted", extra=told_of(request))
        act_as(caller)

    async def _find_caller(self, request: Request, needed: Scope, *, spooled: bool) -> Principal:
        address = request.client.host if request.client else ""
        self._throttle.check_failures(address)
        shown = request.headers.getlist("authorization")
        if len(shown) > 1:
            message = "The request shows more than one key."
            raise Unauthenticated(message, hint=_SEND_ONE)
        kind, _, text = "".join(shown).partition(" ")
        if not text:
            if self._open_reads and needed is Scope.READ:
                self._throttle.check_stranger(address)
                return NOBODY
            raise Unauthenticated(_NO_KEY, hint=_SEND_ONE)
        if kind.lower() != "bearer":
            message = f"'{kind[:20]}' isn't a way to show a key here."
            raise Unauthenticated(message, hint=_SEND_ONE)
        try:
            # The address alone proves nothing; whoever holds a key has it checked each time, so that
            # revoking it counts at once.
            caller = await run_in_threadpool(self._check, text.strip(), spooled=spooled)
        except Unauthenticated:
            request.state.shown_id = id_of(text.strip())
            self._throttle.note_failure(address)
            raise
        self._throttle.check_rate(caller.name)
        return caller

    async def _find_person(self, request: Request) -> Principal:
        self._accepting.check_there()
        session = await run_in_threadpool(self._sessions.find, request.cookies.get(COOKIE, ""))
        request.state.session = session
        self._throttle.check_rate(session.caller.name)
        shown = request.headers.get(CSRF_HEADER, "")
        if request.method not in _SAFE and not compare_digest(shown.encode(), session.csrf.encode()):
            message = "The request doesn't come from a page of this dashboard."
            raise Forbidden(message, hint="Load the page again, and try once more.")
        return session.caller

    def _check(self, text: str, *, spooled: bool) -> Principal:
        """Return whose key it is; while Redis is away, of what is spooled, whose it was a moment ago."""
        remembered = self._keys.recall(text) if spooled and self._accepting.spools else None
        if remembered is not None and self._accepting.is_away:
            return remembered
        self._accepting.check_there()
        try:
            return self._keys.check(text)
        except StoreUnavailable:
            if remembered is None:
                raise
            self._accepting.note_away()
            return remembered


def caller_of(request: Request) -> Principal:
    """Return who asks, as the guard found."""
    found: Principal = request.state.caller
    return found


Caller = Annotated[Principal, Depends(caller_of)]


def build_router(prefix: str, tag: str) -> APIRouter:
    """Return a router for one noun."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute)


def of_session(scope: Scope, *, whole: bool = False, **more: Any) -> dict[str, Any]:
    """Return the options of a dashboard's route that a session with ``scope`` may ask; it isn't part of the API.

    Args:
        scope: A scope.
        whole: It is of the whole hub: sessions of keys that are narrowed may not.
        more: More options of the decorator.
    """
    return {"openapi_extra": {SCOPE: str(scope), _WHOLE: whole, _SESSION: True}, "include_in_schema": False, **more}


def needs(
    scope: Scope | str, *, whole: bool = False, secret: bool = False, spooled: bool = False, **more: Any
) -> dict[str, Any]:
    """Return the options of a route that needs ``scope``, for its decorator: its access, and its error shapes.

    Args:
        scope: A scope, or `PUBLIC`.
        whole: It is of the whole hub: keys that are narrowed to helpers or queues may not.
        secret: Its answer holds a secret, so none is kept for an Idempotency-Key.
        spooled: What it asks for is spooled while Redis is away, where HELPERHUB_WEB__SPOOL says so.
        more: More options of the decorator.
    """
    extra: dict[str, Any] = {SCOPE: str(scope), _WHOLE: whole, SECRET: secret, SPOOLED: spooled}
    if scope == PUBLIC:
        extra["security"] = []
    kept_out = () if scope == PUBLIC else (401, 403, 429)
    statuses = {422, 503, *kept_out, *more.pop("errors", ())}
    return {"openapi_extra": extra, "responses": {status: problem_shape(status) for status in sorted(statuses)}, **more}


def problem_shape(status: int) -> dict[str, Any]:
    """Return how OpenAPI is told of errors with ``status``."""
    # No `model`: FastAPI would have it as application/json too. `describe` adds the two schemas.
    model = ValidationProblem if status == 422 else Problem
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": _DESCRIPTIONS[status], "content": {MEDIA_TYPE: {"schema": schema}}}


_DESCRIPTIONS = {
    400: "The request can't be understood.",
    401: "There is no key, or none that is valid.",
    403: "The key may not do this.",
    404: "Nothing has that name or id.",
    409: "The state of things forbids it.",
    412: "It was changed since the caller looked.",
    413: "It is too large.",
    415: "Bodies of that type aren't taken.",
    422: "The request doesn't fit its schema.",
    429: "Too many requests.",
    503: "Redis can't be reached, or takes no new work.",
}


def scopes_of(app: FastAPI) -> dict[tuple[str, str], str]:
    """Return which scope, or `PUBLIC`, each route of ``app`` needs, by method and path.

    Raises:
        ValueError: One names none.
    """
    found: dict[tuple[str, str], str] = {}
    for route in iter_route_contexts(app.routes):
        if not isinstance(route.original_route, APIRoute):
            continue
        scope = (route.original_route.openapi_extra or {}).get(SCOPE)
        for method in route.methods or ():
            if scope not in _KNOWN:
                message = f"{method} {route.path} names no scope"
                raise ValueError(message)
            found[method, str(route.path)] = str(scope)
    return found
