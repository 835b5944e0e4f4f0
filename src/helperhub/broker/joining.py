"""What Dramatiq's brokers offer to tests: wait until a queue is empty, or empty it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from dramatiq import Message, Middleware
from dramatiq.errors import QueueJoinTimeout, QueueNotFound

from helperhub.broker.hooks import HookedBroker
from helperhub.model.execution import Execution
from helperhub.store.executions import Executions
from helperhub.store.queues import Queues
from helperhub.store.scripts import Scripts


class JoinableBroker(HookedBroker):
    """A broker over the store whose queues can be waited for and emptied."""

    def __init__(
        self,
        scripts: Scripts,
        queues: Queues,
        records: Executions,
        middleware: Sequence[Middleware],
        *,
        stands_for: Mapping[type[Middleware], type[Middleware]],
    ) -> None:
        """Look at ``queues``, and at the dead letters among ``records``; the rest is `HookedBroker`'s."""
        super().__init__(middleware, stands_for=stands_for)
        self.scripts = scripts
        self._waiting = queues
        self._records = records

    def join(self, queue_name: str, *, timeout: int | None = None, interval: int = 20, fail_fast: bool = False) -> None:
        """Wait until nothing waits, runs or is delayed in a queue.

        Args:
            queue_name: The queue.
            timeout: Most milliseconds to wait; None waits for ever.
            interval: Milliseconds between two looks.
            fail_fast: Raise if the queue has a dead letter then, as Dramatiq's stub broker does.

        Raises:
            QueueNotFound: It was never declared.
            QueueJoinTimeout: It took longer.
            ResultFailure: An execution of it was given up, and ``fail_fast`` is set.
        """
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while self._waiting.unfinished(queue_name):
            if deadline is not None and time.monotonic() > deadline:
                raise QueueJoinTimeout(queue_name)
            time.sleep(interval / 1000)
        for dead in self._dead_of(queue_name) if fail_fast else ():
            self.get_results_backend().get_result(Message(queue_name, dead.helper, (), {}, {}, message_id=dead.id))

    def get_queue_message_counts(self, queue_name: str) -> tuple[int, int, int]:
        """Return how many executions of a queue wait, are delayed, and are dead letters."""
        found = [stats for stats in self._waiting.stats() if stats.name == queue_name]
        dead = sum(1 for _ in self._dead_of(queue_name))
        return sum(stats.ready for stats in found), sum(stats.delayed for stats in found), dead

    def _dead_of(self, queue_name: str) -> Iterator[Execution]:
        return (execution for execution in self._records.dead() if execution.queue == queue_name)

    def flush(self, queue_name: str) -> None:
        """Cancel all that waits in a queue; each is recorded as cancelled."""
        while self.scripts.purge(queue_name, limit=500, reason="flushed") == 500:
            pass

    def flush_all(self) -> None:
        """Cancel all that waits in the declared queues."""
        for queue_name in self.queues:
            self.flush(queue_name)
