"""The event loop of async actors. Fails open."""

from __future__ import annotations

from dramatiq import Broker, Worker
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO

_START_S = 5.0


class AsyncActors(AsyncIO):
    """Dramatiq's own, with a thread that doesn't keep a process alive which is to end.

    Told twice to stop, Dramatiq's command leaves a worker process by ``sys.exit``: that waits for every
    thread but daemons, and so for ever. A reload by ``--watch`` tells it twice for one saved file.
    """

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the event loop."""
        del broker, worker
        thread = EventLoopThread(self.logger)
        thread.daemon = True
        thread.start(timeout=_START_S)
        set_event_loop_thread(thread)
