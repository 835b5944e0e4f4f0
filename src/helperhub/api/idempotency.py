"""``Idempotency-Key`` on every POST that needs a key: the same request again is answered as the first was.

The header is that of the IETF draft of its name (draft-ietf-httpapi-idempotency-key-header). Two parts make it: a
dependency behind the guard, which knows who asks and takes the key, and a piece of ASGI around the app, which sees the
answer and keeps it. Only what was done is kept (2xx): what was refused may be mended and sent again.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helperhub.api import problems
from helperhub.errors import Conflict, StoreError, StoreUnavailable, UsageError
from helperhub.services.accepting import Accepting
from helperhub.store.idempotency import Claim, Idempotency, KeptAnswer

_log = logging.getLogger("helperhub.api")
HEADER = "idempotency-key"
#: OpenAPI's extensions: the answer holds a secret; what is asked for is spooled while Redis is away.
SECRET, SPOOLED = "x-secret-answer", "x-spooled"
_STATE = "helperhub_claim"
_KEPT_HEADERS = frozenset({"content-type", "location", "etag"})
_MOST = 255


class Replayed(Exception):
    """The request was answered before."""

    def __init__(self, response: Response) -> None:
        """Keep the answer."""
        super().__init__()
        self.response = response


@dataclass
class Underway:
    """A request that holds a key: how the answer comes out decides what becomes of it."""

    claim: Claim
    fingerprint: str
    secret: bool
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)

    @property
    def answer(self) -> KeptAnswer:
        """What is kept of the answer."""
        body = None if self.secret else b"".join(self.body)
        return KeptAnswer(self.fingerprint, self.status, tuple(self.headers), body)


class Once:
    """Takes the key of a request; FastAPI calls this after the guard."""

    def __init__(self, kept: Idempotency, accepting: Accepting) -> None:
        """Keep answers in ``kept``; where ``accepting`` spools work, runs pass while Redis is away."""
        self._kept = kept
        self._accepting = accepting

    async def __call__(self, request: Request) -> None:
        """Let the request pass if it is the first under its key.

        Raises:
            Replayed: It was answered before.
            Conflict: The first is under way.
            UsageError: The key can't be one.
            StoreError: Redis can't be asked.
        """
        key = request.headers.get(HEADER)
        caller = getattr(request.state, "caller", None)
        if key is None or caller is None or request.method != "POST":
            return
        if not 1 <= len(key) <= _MOST or not (key.isascii() and key.isprintable()):
            message = f"An Idempotency-Key has 1 to {_MOST} printable ASCII characters."
            raise UsageError(message)
        extra = request.scope["route"].openapi_extra or {}
        spooled = self._accepting.spools and extra.get(SPOOLED)
        if spooled and self._accepting.is_away:
            return  # its execution's id follows from the key
        asked = request.headers.get("content-type", "").encode() + b"\0" + request.url.query.encode() + b"\0"
        fingerprint = hashlib.sha256(asked + await request.body()).hexdigest()
        parts = (caller.name, request.method, request.url.path, key)
        try:
            found = await run_in_threadpool(self._kept.claim, parts, fingerprint)
        except StoreUnavailable:
            if not spooled:
                raise
            self._accepting.note_away()
            return
        if isinstance(found, Claim):
            request.scope["state"][_STATE] = Underway(found, fingerprint, bool(extra.get(SECRET)))
            return
        raise Replayed(_answer(found, fingerprint))


class Keeping:
    """Keeps the answers of requests that hold a key."""

    def __init__(self, app: ASGIApp, *, kept: Idempotency, accepting: Accepting) -> None:
        """Watch what ``app`` answers; nothing is kept while ``accepting`` knows Redis to be away."""
        self._app = app
        self._kept = kept
        self._accepting = accepting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and see to its key once it is answered."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def watching(message: Message) -> None:
            underway = state.get(_STATE)
            if underway is not None:
                _note(underway, message)
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    # Before the last of the answer is out: who has it may send the request again at once.
                    del state[_STATE]
                    await self._settle(underway)
            await send(message)

        try:
            await self._app(scope, receive, watching)
        finally:
            underway = state.pop(_STATE, None)
            if underway is not None:
                await self._settle(underway)

    async def _settle(self, underway: Underway) -> None:
        if self._accepting.is_away:
            # Asking it would hold up the answer; what was spooled has an id that follows from the key.
            _log.warning("answer_not_kept", extra={"error": "Redis is away."})
            return
        try:
            if 200 <= underway.status < 300:
                await run_in_threadpool(self._kept.keep, underway.claim, underway.answer)
            else:
                await run_in_threadpool(self._kept.release, underway.claim)
        except StoreError as error:
            # What was asked for is done; its key is free again in a minute.
            _log.warning("answer_not_kept", extra={"error": str(error)})


def install(app: FastAPI) -> None:
    """Let requests that were answered before be answered so."""
    app.add_exception_handler(Replayed, _on_replayed)


async def _on_replayed(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Replayed)  # noqa: S101 - for the type only: Starlette looks it up by class
    return error.response


def _answer(found: KeptAnswer, fingerprint: str) -> Response:
    if found.fingerprint != fingerprint:
        detail = "Another request was sent under this Idempotency-Key."
        return problems.answer(409, detail, code="key_reused", hint="Take a new key for each thing that you want.")
    if found.status is None:
        message = "The first request under this Idempotency-Key is still under way."
        raise Conflict(message, hint="Send it again in a moment.")
    if found.body is None:
        message = "This was done before, and its answer held a secret, which isn't kept."
        raise Conflict(message, hint="List what there is; rotate what you have no secret of.")
    headers = {**dict(found.headers), "Idempotent-Replayed": "true"}
    return Response(found.body, found.status, headers)


def _note(underway: Underway, message: Message) -> None:
    if message["type"] == "http.response.start":
        underway.status = message["status"]
        named = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message["headers"]]
        underway.headers = [(name, value) for name, value in named if name in _KEPT_HEADERS]
    elif message["type"] == "http.response.body":
        underway.body.append(message.get("body", b""))
