"""The order in which a worker process starts what it has in hand: higher queues first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from helperhub.broker.message import ClaimedMessage

_STANDARD_ORDER = {"high": 0, "default": 1, "low": 3}


def queue_order(name: str) -> tuple[int, str]:
    """Return the sort key of a queue: high, default, queues of people's own, low."""
    return _STANDARD_ORDER.get(name, 2), name


class Waiting:
    """Claimed messages that no thread has started: those of higher queues first, of one queue in claim order.

    What was read ahead from a lower queue must not hold up what is claimed from a higher one later.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._of: dict[str, deque[ClaimedMessage]] = {}
        #: The same, highest queue first.
        self._in_order: list[deque[ClaimedMessage]] = []
        self._count = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count

    def extend(self, messages: Iterable[ClaimedMessage]) -> None:
        """Take messages in, in claim order."""
        for message in messages:
            self.append(message)

    def append(self, message: ClaimedMessage) -> None:
        """Take a message in, behind those of its queue."""
        queue = message.record.queue
        if queue not in self._of:
            self._of[queue] = deque()
            self._in_order = [self._of[name] for name in sorted(self._of, key=queue_order)]
        self._of[queue].append(message)
        self._count += 1

    def popleft(self) -> ClaimedMessage:
        """Return the one that is to start next.

        Raises:
            IndexError: There is none.
        """
        for messages in self._in_order:
            if messages:
                self._count -= 1
                return messages.popleft()
        message = "no message waits"
        raise IndexError(message)
