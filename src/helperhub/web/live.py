"""Tells a page that something has ended, at most twice a second, so that it asks for what it shows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from helperhub.api.broadcast import Broadcast, Listener, end_when_gone
from helperhub.errors import StoreError
from helperhub.model.access import Principal

_log = logging.getLogger("helperhub.web")
#: A page is told no more often, seconds.
_EVERY_S = 0.5
#: Something is sent so often, seconds: proxies close what is silent, and a session that ended is to be found out.
_HEARTBEAT_S = 15.0
_RETRY = b"retry: 2000\n"


class Changes(Response):
    """An answer without end: event ``changed`` whenever an execution ended that its reader may see."""

    media_type = "text/event-stream"

    def __init__(self, broadcast: Broadcast, caller: Principal, is_welcome: Callable[[], Awaitable[bool]]) -> None:
        """Tell ``caller`` as long as he is welcome."""
        super().__init__(headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._broadcast = broadcast
        self._caller = caller
        self._is_welcome = is_welcome

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the browser goes, the server stops, or the session ends."""
        del scope
        listener = Listener(lambda outcome: self._caller.sees(outcome.helper, outcome.queue))
        going = asyncio.create_task(end_when_gone(receive, listener))
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with self._broadcast.listening():
                self._broadcast.add(listener)
                await self._tell(listener, send)
        except StoreError as error:
            # The page comes again by itself.
            _log.info("live_ended", extra={"error": str(error)})
        finally:
            self._broadcast.remove(listener)
            going.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, listener: Listener, send: Send) -> None:
        await send({"type": "http.response.body", "body": _RETRY + b"event: ready\ndata: 1\n\n", "more_body": True})
        while not listener.is_over:
            found = await listener.next(_HEARTBEAT_S)
            if found or listener.is_cut:
                listener.is_cut = False
                part = b"event: changed\ndata: %d\n\n" % len(found)
            elif not await self._is_welcome():
                return
            else:
                part = b": heartbeat\n\n"
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(_EVERY_S)
