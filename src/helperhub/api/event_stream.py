"""An answer that goes on: server-sent events for as long as somebody listens and is welcome."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from helperhub.api.broadcast import Broadcast, Listener, end_when_gone
from helperhub.errors import StoreError
from helperhub.services.live import Outcome

#: Something is sent so often, seconds: proxies close what is silent, and a listener who isn't welcome any more is to be
#: found out.
HEARTBEAT_S = 15.0
#: A client that lost its connection tries again after so long, ms.
RETRY_MS = 2000
MEDIA_TYPE = "text/event-stream"
Check = Callable[[], Awaitable[bool]]


class EventStream(Response, ABC):
    """An answer that goes on until one of both sides ends it."""

    media_type = MEDIA_TYPE
    log = logging.getLogger("helperhub.api")

    def __init__(self, broadcast: Broadcast, hears: Callable[[Outcome], bool], is_welcome: Check) -> None:
        """Tell of outcomes.

        Args:
            broadcast: Has them.
            hears: Tells which of them the listener hears of.
            is_welcome: Tells whether he still may.
        """
        super().__init__(headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        del self.headers["content-length"]
        self.broadcast = broadcast
        self.hears = hears
        self.is_welcome = is_welcome

    @abstractmethod
    def tell(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield what is sent; has the broadcast add ``listener`` when it is to hear what comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client goes, the server stops, or `tell` ends."""
        del scope
        listener = Listener(self.hears)
        going = asyncio.create_task(end_when_gone(receive, listener))
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with self.broadcast.listening():
                async for part in self.tell(listener):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        except StoreError as error:
            # The client comes again by itself, and is told then.
            self.log.info("live_ended", extra={"error": str(error)})
        finally:
            self.broadcast.remove(listener)
            going.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


__all__ = ["HEARTBEAT_S", "MEDIA_TYPE", "RETRY_MS", "Check", "EventStream"]
