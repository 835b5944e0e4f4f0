"""What the claimers of one worker process have to know of each other, where it has one for each shard."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Protocol

_LOOK_S = 0.05
#: How long a suspect waits until its process has nothing else in hand; then it goes back.
ALONE_PATIENCE_S = 30.0


class Member(Protocol):
    """A claimer, as the others see it."""

    @property
    def in_hand(self) -> int:
        """Executions it has in hand."""


class Lane:
    """One claimer's view of the others: here there are none."""

    def __init__(self) -> None:
        """Count starts from 1."""
        self._starts = itertools.count(1)

    def elsewhere(self) -> int:
        """Return how many executions the others have in hand."""
        return 0

    def begin_claim(self) -> bool:
        """Note that a claim begins; False while a suspect runs alone elsewhere."""
        return True

    def end_claim(self) -> None:
        """Note that what a claim brought is in hand."""

    def enter_alone(self) -> bool:
        """Return True once this claimer's suspect may run: the others have nothing in hand, and take nothing.

        False if that takes too long: another worker process may be free sooner.
        """
        return True

    def leave_alone(self) -> None:
        """Note that the suspect is out of hand."""

    def count_start(self) -> int:
        """Return how many executions the process has started, this one included."""
        return next(self._starts)


class Lanes:
    """Keeps the claimers of one worker process out of each other's way."""

    def __init__(self) -> None:
        """Know no claimer yet."""
        self._changed = threading.Condition()
        self._members: list[_SharedLane] = []
        self._alone: _SharedLane | None = None
        self.starts = itertools.count(1)

    def add(self) -> _SharedLane:
        """Return the lane of one more claimer."""
        lane = _SharedLane(self)
        self._members.append(lane)
        return lane

    def stop(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            for lane in self._members:
                lane.stopping = True
            self._changed.notify_all()

    def others(self, lane: _SharedLane) -> list[_SharedLane]:
        """Return all lanes but this one."""
        return [other for other in self._members if other is not lane]

    def begin_claim(self, lane: _SharedLane) -> bool:
        """See `Lane`."""
        with self._changed:
            lane.claims = self._alone in (None, lane)
            return lane.claims

    def end_claim(self, lane: _SharedLane) -> None:
        """See `Lane`."""
        with self._changed:
            lane.claims = False
            self._changed.notify_all()

    def enter_alone(self, lane: _SharedLane) -> bool:
        """See `Lane`."""
        deadline = time.monotonic() + ALONE_PATIENCE_S
        with self._changed:
            lane.waits = True  # nothing of this claim is in hand: another suspect needn't wait for it
            while self._alone is not None:
                if not self._may_wait(lane, deadline):
                    lane.waits = False
                    return False
            self._alone = lane
            lane.waits = False
            while any(other.is_busy for other in self.others(lane)):
                if not self._may_wait(lane, deadline):
                    self._alone = None
                    return False
            return True

    def _may_wait(self, lane: _SharedLane, deadline: float) -> bool:
        self._changed.wait(_LOOK_S)
        return not lane.stopping and time.monotonic() < deadline

    def leave_alone(self, lane: _SharedLane) -> None:
        """See `Lane`."""
        with self._changed:
            if self._alone is lane:
                self._alone = None
            self._changed.notify_all()


class _SharedLane(Lane):
    """A claimer's lane beside others."""

    def __init__(self, lanes: Lanes) -> None:
        super().__init__()
        self._lanes = lanes
        self.member: Member | None = None
        self.claims = False
        self.waits = False
        self.stopping = False

    @property
    def is_busy(self) -> bool:
        """Whether something is in hand here, or about to be."""
        in_hand = self.member.in_hand if self.member is not None else 0
        return in_hand > 0 or (self.claims and not self.waits)

    def elsewhere(self) -> int:
        return sum(other.member.in_hand for other in self._lanes.others(self) if other.member is not None)

    def begin_claim(self) -> bool:
        return self._lanes.begin_claim(self)

    def end_claim(self) -> None:
        self._lanes.end_claim(self)

    def enter_alone(self) -> bool:
        return self._lanes.enter_alone(self)

    def leave_alone(self) -> None:
        self._lanes.leave_alone(self)

    def count_start(self) -> int:
        return next(self._lanes.starts)
