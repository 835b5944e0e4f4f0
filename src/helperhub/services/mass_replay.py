"""Replays all dead letters that match: an execution that says how far it is, keeps to a rate, and can be resumed.

What is left to do is what is still among the dead letters, so a worker process that takes over from one
that died goes on where that one was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dramatiq import Message
from dramatiq.errors import Retry

from helperhub.broker.broker import HelperHubBroker
from helperhub.errors import UsageError
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Execution, Status, Trigger
from helperhub.model.helper import DEFAULT_QUEUE, HelperSpec
from helperhub.model.identity import ExecutionId, new_execution_id
from helperhub.model.instant import epoch_ms
from helperhub.model.limits import Rate, parse_rate
from helperhub.model.retry import RetryPolicy
from helperhub.plugins.declaration import Declaration, Helper
from helperhub.services.audit import acting, acting_as
from helperhub.services.causes import cause_of
from helperhub.services.dead_letters import DeadFilter, DeadLetters
from helperhub.store.undo import Change, Undoable

#: The helper that replays; it is an execution like any other.
REPLAY_HELPER = "helperhub.replay"
MOST_FIRST_ONES = 100
_BATCH = 200
#: Put back at once under a rate, as a part of a second.
_AT_ONCE_S = 0.1
#: Its thread may be the only one: while it waits for the first ones, somebody must run them.
_HELD_S = 5.0
_HANDED_BACK_MS = 5_000
_LOOK_EVERY_S = 0.2
_MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class MassReplay:
    """What is to be replayed, and how.

    Args:
        helper: Only of this helper with its instances, or this instance.
        cause: Only of this cause, by its fingerprint.
        rate: At most so many; None is as fast as it goes.
        stop_after_failures: Put so many back first, and no more if all of them fail again as before; None doesn't.

    Raises:
        UsageError: A value is out of range.
    """

    helper: str | None = None
    cause: str | None = None
    rate: Rate | None = None
    stop_after_failures: int | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be kept."""
        if self.stop_after_failures is not None and not 1 <= self.stop_after_failures <= MOST_FIRST_ONES:
            message = f"Stopping after {self.stop_after_failures} failures is out of range."
            raise UsageError(message, hint=f"Take 1 to {MOST_FIRST_ONES}.")

    def to_payload(self, until: datetime) -> dict[str, Any]:
        """Return what its execution is given.

        Args:
            until: What is given up later isn't replayed.
        """
        return {
            "helper": self.helper,
            "cause": self.cause,
            "rate": str(self.rate) if self.rate else None,
            "stop_after_failures": self.stop_after_failures,
            "until_ms": epoch_ms(until),
        }


@dataclass(frozen=True, slots=True)
class MassReplays:
    """Starts executions that replay.

    Args:
        broker: Enqueues them.
        letters: The hub's dead letters.
        now: Redis TIME.
    """

    broker: HelperHubBroker
    letters: DeadLetters
    now: Callable[[], datetime]

    def start(self, wanted: MassReplay) -> ExecutionId:
        """Enqueue an execution that replays what is wanted and was given up by now; return its id.

        Raises:
            StoreError: Redis can't take it.
        """
        payload, who = wanted.to_payload(self.now()), acting()
        # By hand: whoever starts it may not have loaded what runs it.
        options = {"trigger": Trigger.MANUAL, "max_retries": _MOST_ATTEMPTS - 1, "metadata": {"by": who.name}}
        message: Message[Any] = Message(
            DEFAULT_QUEUE, REPLAY_HELPER, (payload,), {}, options, message_id=new_execution_id()
        )
        patience = self.broker.patience(0)
        id_ = ExecutionId(self.broker.enqueue(message, patience=patience).message_id)
        after = {name: value for name, value in payload.items() if value is not None}
        self.letters.executions.audit.note("dead.replay-matching", id_, after=after)
        return id_


def build_replay_helper(letters_of: Callable[[], DeadLetters]) -> Helper:
    """Return the helper that replays dead letters of what ``letters_of`` returns."""

    def replay(ctx: Any) -> dict[str, Any]:
        with acting_as(Principal(f"plugin:{REPLAY_HELPER}", frozenset(Scope), note=ctx.execution_id)):
            return _Run(letters_of(), ctx).replay()

    spec = HelperSpec(
        name=REPLAY_HELPER,
        time_limit=timedelta(days=1),
        retry=RetryPolicy(max_attempts=_MOST_ATTEMPTS, max_backoff=timedelta(minutes=5)),
        description="Replays dead letters that match.",
    )
    return Helper(replay, Declaration(spec))


class _Run:
    """One attempt of replaying."""

    def __init__(self, letters: DeadLetters, ctx: Any) -> None:
        given: Mapping[str, Any] = ctx.payload
        self._letters, self._ctx = letters, ctx
        self._wanted = DeadFilter(given["helper"], given["cause"])
        self._until_ms: int = given["until_ms"]
        self._first: int = given["stop_after_failures"] or 0
        self._pace = _Pace(parse_rate(given["rate"]) if given["rate"] else None)
        #: Its own execution is the change.
        self._undo = Undoable(ctx.execution_id, Change.REPLAY)
        self._done = 0
        self._total = 0

    def replay(self) -> dict[str, Any]:
        """Put back what is left; return what became of it."""
        left = self._left()
        earlier = self._letters.executions.progress(self._ctx.execution_id) or {}
        self._total = max(int(earlier.get("total") or 0), len(left))
        self._done = self._total - len(left)
        self._tell()
        stopped = ""
        if self._first:
            left, stopped = self._try_first(left)
        if not stopped:
            stopped = self._put_all_back(left)
        answer = {"replayed": self._done, "of": self._total, "stopped": stopped or None}
        self._letters.executions.audit.note("dead.replayed", self._ctx.execution_id, after=answer)
        return answer

    def _left(self) -> list[str]:
        """Return what is to be put back, oldest first."""
        # Above that time stands what failed again.
        found = (
            one.id
            for one in self._letters.matching(self._wanted)
            if one.finished_at is None or epoch_ms(one.finished_at) <= self._until_ms
        )
        return [*found][::-1]

    def _try_first(self, left: list[str]) -> tuple[list[str], str]:
        """Put the first ones back and wait for them; return what is left then, and why to stop, empty to go on."""
        first = [f"{self._ctx.execution_id}.{number}" for number in range(self._first)]
        known = {one.id for one in self._letters.executions.records.get_many(first)}
        new_ids = [id_ for id_ in first if id_ not in known]
        chosen = left[: len(new_ids)]
        left = left[len(chosen) :]
        if chosen:
            self._put_back(chosen, new_ids[: len(chosen)])
        until = time.monotonic() + _HELD_S
        while True:
            tried = self._letters.executions.records.get_many(first)
            if any(one.status.final and not self._failed_alike(one) for one in tried):
                return left, ""
            if all(one.status.final for one in tried):
                return left, f"the first {len(tried)} failed again in the same way" if tried else ""
            if self._ctx.cancelled:
                return left, "cancelled"
            if time.monotonic() >= until:
                message = f"waits for the first {len(tried)}"
                raise Retry(message, delay=_HANDED_BACK_MS)
            time.sleep(_LOOK_EVERY_S)

    def _failed_alike(self, one: Execution) -> bool:
        """Return whether a replay was given up for the same cause as what it repeats."""
        if one.status is not Status.ERROR:
            return False
        before = self._letters.executions.records.get(one.replay_of or "")
        return before is None or cause_of(before) == cause_of(one)

    def _put_all_back(self, left: Sequence[str]) -> str:
        """Put back at the rate; return why it was stopped, empty if it wasn't."""
        at = 0
        while at < len(left):
            if self._ctx.cancelled:
                return "cancelled"
            chunk = left[at : at + self._pace.at_once]
            self._pace.wait(len(chunk))
            self._put_back(chunk)
            at += len(chunk)
        return ""

    def _put_back(self, ids: Sequence[str], new_ids: Sequence[str] | None = None) -> None:
        self._done += len(self._letters.executions.put_back(ids, new_ids=new_ids, undo=self._undo))
        self._tell()

    def _tell(self) -> None:
        self._ctx.progress(self._done, self._total, "dead letters are put back")


class _Pace:
    """Keeps to a rate by going evenly."""

    def __init__(self, rate: Rate | None) -> None:
        self._each_s = rate.window.total_seconds() / rate.starts if rate else 0.0
        self._next_at = time.monotonic()
        self.at_once = _BATCH if rate is None else max(1, min(_BATCH, int(_AT_ONCE_S / self._each_s)))

    def wait(self, number: int) -> None:
        """Wait until so many may be put back."""
        now = time.monotonic()
        if self._next_at > now:
            time.sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + number * self._each_s


__all__ = ["MOST_FIRST_ONES", "REPLAY_HELPER", "MassReplay", "MassReplays", "build_replay_helper"]
