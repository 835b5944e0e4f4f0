"""Tells a page that something has ended, at most twice a second, so that it asks for what it shows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from helperhub.api.broadcast import Listener
from helperhub.api.event_stream import HEARTBEAT_S, RETRY_MS, EventStream

#: A page is told no more often, seconds.
_EVERY_S = 0.5


class Changes(EventStream):
    """An answer without end: event ``changed`` whenever an execution ended that its reader may see."""

    log = logging.getLogger("helperhub.web")

    async def tell(self, listener: Listener) -> AsyncIterator[bytes]:
        """Yield ``ready``, and then how many ended, or a heartbeat, until the session ends."""
        self.broadcast.add(listener)
        yield b"retry: %d\nevent: ready\ndata: 1\n\n" % RETRY_MS
        while not listener.is_over:
            found = await listener.next(HEARTBEAT_S)
            if found or listener.is_cut:
                listener.is_cut = False
                yield b"event: changed\ndata: %d\n\n" % len(found)
            elif not await self.is_welcome():
                return
            else:
                yield b": heartbeat\n\n"
            await asyncio.sleep(_EVERY_S)


__all__ = ["Changes"]
