"""What Redis believes this worker process holds, compared with what it holds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from helperhub.model.verdict import Outcome
from helperhub.store.scripts import Settlement
from helperhub.store.workers import Workers

_log = logging.getLogger("helperhub.audit")


class Audit:
    """Finds executions that are held in this process's name and that it knows nothing of.

    A verdict that was lost on its way would otherwise leave its execution running for as long as the
    process lives. What is unknown at two looks in a row goes back, to be handed out again.
    """

    def __init__(self, workers: Workers, worker: str, *, every_s: float) -> None:
        """Look ``every_s`` seconds at what ``worker`` holds in the registry ``workers``."""
        self._workers = workers
        self._worker = worker
        self._every_s = every_s
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}
        self._missing: dict[str, int] = {}
        self._look_at = time.monotonic() + every_s

    def take(self, execution_id: str, claim: int) -> None:
        """Note that an execution came in hand."""
        with self._lock:
            self._known[execution_id] = claim

    def settled(self, settlements: Iterable[Settlement]) -> None:
        """Note that these are out of hand, as Redis knows or won't know any more."""
        with self._lock:
            for settlement in settlements:
                if self._known.get(settlement.id) == settlement.claim:
                    del self._known[settlement.id]

    def find_lost(self) -> list[Settlement]:
        """Return what is to go back; empty unless it is time to look.

        Call it from the thread that claims: what it has claimed must be taken before.

        Raises:
            StoreError: The registry can't be read.
        """
        if time.monotonic() < self._look_at:
            return []
        self._look_at = time.monotonic() + self._every_s
        held = self._workers.held(self._worker)
        with self._lock:
            unknown = {id_: claim for id_, claim in held.items() if self._known.get(id_) != claim}
        lost = [id_ for id_, claim in unknown.items() if self._missing.get(id_) == claim]
        self._missing = unknown
        for execution_id in lost:
            _log.error("claim_lost", extra={"execution_id": execution_id})
        returned = Outcome.RETURNED.value
        return [Settlement(id_, unknown[id_], returned, reason="its worker process lost sight of it") for id_ in lost]
