"""Live events: each outcome as it is recorded, as server-sent events (HTML, "Server-sent events")."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.bodies import read_duration
from helperhub.api.broadcast import Broadcast, Listener
from helperhub.api.event_stream import HEARTBEAT_S, MEDIA_TYPE, RETRY_MS, Check, EventStream
from helperhub.api.words import Duration, EventId
from helperhub.errors import StoreError, Unauthenticated
from helperhub.hub import Hub
from helperhub.model.access import Principal
from helperhub.model.access import Scope as AccessScope
from helperhub.model.execution import Status
from helperhub.model.helper import split_key
from helperhub.services.live import Outcome, Places, write_places

_EXAMPLE = 'id: 1764150000123.0.0.default%3As\nevent: execution\ndata: {"id": "weather@20261123T083000Z", ...}\n\n'
#: One event by its fields, as OpenAPI 3.1 tells of streams.
_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "event": {"enum": ["ready", "execution", "gap"]},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer", "description": "ms."},
    },
    "required": ["event", "id", "data"],
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What one listener wants to hear of.

    Args:
        caller: He sees what he may.
        helper: Only of this helper, with or without an instance; None means all.
        queue: Only of this queue.
        statuses: Only those; none means all.
        payload: With what executions were given.
    """

    caller: Principal
    helper: str | None
    queue: str | None
    statuses: frozenset[Status]
    payload: bool

    def __call__(self, outcome: Outcome) -> bool:
        """Return whether he is to hear of this one."""
        if self.helper is not None and self.helper not in (outcome.helper, split_key(outcome.helper)[0]):
            return False
        if self.queue is not None and self.queue != outcome.queue:
            return False
        if self.statuses and outcome.status not in self.statuses:
            return False
        return self.caller.sees(outcome.helper, outcome.queue)


def build_live_routes(hub: Hub, broadcast: Broadcast) -> APIRouter:
    """Return the routes under ``/events``."""
    routes = build_router("/events", "events")
    given = needs(AccessScope.READ, errors=(400, 409))
    given["responses"][200] = {
        "description": "Events without end; the schema is that of one.",
        "content": {MEDIA_TYPE: {"schema": _EVENT, "example": _EXAMPLE}},
    }

    @routes.get("", summary="Listen to outcomes", response_class=Response, **given)
    async def listen(
        request: Request,
        caller: Caller,
        helper: Annotated[str | None, Query(max_length=200, description="Only of this helper or instance.")] = None,
        queue: Annotated[str | None, Query(max_length=200, description="Only of this queue.")] = None,
        status: Annotated[list[Status] | None, Query(description="Only those that ended so.")] = None,
        payload: Annotated[bool, Query(description="With what executions were given.")] = False,  # noqa: FBT002 - a query's member
        span: Annotated[
            Duration | None,
            Query(alias="for", description="End after so long; without it, never.", examples=["10m"]),
        ] = None,
        last_event_id: Annotated[
            EventId, Header(description="The id of the last event: what came after it follows.")
        ] = "",
    ) -> Response:
        """Each execution's end as it is recorded: event `execution`, its data the execution's document.

        `ready` comes first. Every event has an id: a client that sends the last one as `Last-Event-ID`, as browsers
        do by themselves, gets what ended meanwhile, up to an hour back, without a gap and without repeats. Where
        that can't be had, or the client took its events too slowly, `gap` says so; the list of executions has what
        is missing. A comment comes every 15 s. It goes on until the client ends it, or `for` is over.
        """
        longest = read_duration(span, "for")
        since = broadcast.live.parse(last_event_id) if last_event_id else None
        wish = Wish(caller, helper, queue, frozenset(status or ()), payload)
        key = request.headers.get("authorization", "").partition(" ")[2].strip()

        async def is_welcome() -> bool:
            try:
                return not key or bool(await run_in_threadpool(hub.api_keys.check, key))
            except Unauthenticated:
                return False
            except StoreError:  # it is away: nobody's key can be revoked either
                return True

        # Before the answer begins: a Redis that is away is a 503, not a stream that ends.
        await run_in_threadpool(broadcast.live.now)
        return Outcomes(broadcast, wish, since, is_welcome, longest)

    return routes


class Outcomes(EventStream):
    """Each outcome that somebody wishes to hear of, from some place on."""

    def __init__(
        self, broadcast: Broadcast, wish: Wish, since: Places | None, is_welcome: Check, longest: timedelta | None
    ) -> None:
        """Tell what ``wish`` wants, from ``since`` on, as long as the listener is welcome, ``longest`` at most."""
        super().__init__(broadcast, wish, is_welcome)
        self._payload = wish.payload
        self._since = since
        self._ends_at = math.inf if longest is None else time.monotonic() + longest.total_seconds()

    async def tell(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield ``ready``, what ended since, and then each outcome, until it is over."""
        start = self._since or self.broadcast.place
        yield b"retry: %d\n" % RETRY_MS + _event("ready", write_places(start), b"{}")
        if self._since is None:
            self.broadcast.add(listener)
        else:
            async for part in self._tell_past(self._since, listener):
                yield part
        while (left := self._ends_at - time.monotonic()) > 0:
            outcomes = await listener.next(min(HEARTBEAT_S, left))
            if outcomes:
                yield self._write(outcomes)
            elif listener.is_cut:
                yield _event("gap", listener.heard, b'{"reason": "events came faster than they were taken"}')
                return
            elif listener.is_over or not await self.is_welcome():
                return
            else:
                yield b": heartbeat\nid: %b\n\n" % listener.heard.encode()

    async def _tell_past(self, since: Places, listener: Listener) -> AsyncIterator[bytes]:
        """Tell what ended after ``since``, and let the listener hear of all that follows."""
        now = self.broadcast.place
        if await run_in_threadpool(self.broadcast.live.is_complete_since, since, now):
            async for part in self._tell_between(since, now):
                yield part
            # What ended while that was read is little; from here on nothing is missed.
            at = self.broadcast.add(listener)
            async for part in self._tell_between(now, at):
                yield part
            return
        at = self.broadcast.add(listener)
        yield _event("gap", write_places(at), b'{"reason": "the last event is too long ago"}')

    async def _tell_between(self, since: Places, until: Places) -> AsyncIterator[bytes]:
        parts = self.broadcast.live.between(since, until)
        while (outcomes := await run_in_threadpool(next, parts, None)) is not None:
            wanted = [outcome for outcome in outcomes if self.hears(outcome)]
            if wanted:
                yield self._write(wanted)

    def _write(self, outcomes: list[Outcome]) -> bytes:
        return b"".join(_event("execution", one.id, one.write(payload=self._payload)) for one in outcomes)


def _event(name: str, id_: str, document: bytes) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (id_.encode(), name.encode(), document)
