"""Tells Sentry's monitors of scheduled executions that ended where no policy ran: missed, expired, lost.

A scheduler follows the failures in the history. What a worker process has told already is told again under the same
id, which changes nothing; so nobody need remember what was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from helperhub.model.execution import Execution, Status
from helperhub.model.identity import parse_planned_id
from helperhub.store.executions import Executions
from helperhub.store.tail import Place, Tail
from helperhub.telemetry.check_ins import CheckIns

#: Sentry itself looks once a minute.
LOOK_EVERY = timedelta(seconds=2)
#: A scheduler begins so far back, for what ended while none ran.
_BACK_MS = 600_000
#: Most reads of one shard in a turn: the next turn goes on.
_READS = 20


class LateCheckIns:
    """Follows what ended otherwise than by success."""

    def __init__(self, tails: Sequence[Tail], records: Executions, check_ins: CheckIns) -> None:
        """Follow ``tails``, one a shard, which read failures only."""
        self._places: list[Place | None] = [None] * len(tails)
        self._tails = tails
        self._records = records
        self._check_ins = check_ins

    def tell(self) -> int:
        """Tell of what ended since the last turn; return how many.

        Raises:
            StoreError: Redis is away; the next turn begins where this one did.
        """
        return sum(self._tell(shard, tail) for shard, tail in enumerate(self._tails))

    def _tell(self, shard: int, tail: Tail) -> int:
        now = tail.now()
        place = self._places[shard] or Place(max(0, now.ms - _BACK_MS))
        told = 0
        for _ in range(_READS):
            ended, behind = tail.read(place, now)
            ids = [one.id for one in ended if parse_planned_id(one.id) is not None]
            for execution in self._records.get_many(ids):
                told += needs_telling(execution) and self._check_ins.send(execution.id, "error")
            self._places[shard] = behind
            if behind >= now or behind == place:
                break
            place = behind
        return told


def needs_telling(execution: Execution) -> bool:
    """Return whether a planned time's end is a failure to Sentry.

    What a person or an overlap left out isn't told: Sentry itself finds that nothing came.
    """
    match execution.status:
        case Status.EXPIRED | Status.ERROR:
            return True
        case Status.SKIPPED:
            return execution.reason.startswith("missed") or execution.started_at is not None
        case Status.CANCELLED:
            # Its check-in began, and would run into its time limit.
            return execution.started_at is not None
        case _:
            return False
