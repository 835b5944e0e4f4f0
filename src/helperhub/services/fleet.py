"""Queues and workers: see them, pause, resume, purge."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from helperhub.errors import NotFound
from helperhub.services.audit import Audit
from helperhub.store.executions import Executions
from helperhub.store.queues import Queues as QueueStore
from helperhub.store.queues import QueueStats
from helperhub.store.scripts import Scripts
from helperhub.store.undo import Undoable
from helperhub.store.workers import Workers as WorkerStore

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Queues:
    """Use cases around queues.

    Args:
        scripts: The store.
        store: Depths, counters, pauses.
        records: For what waits behind a running execution.
        helpers: Tells all helpers and instances.
        audit: Where changes are noted.
    """

    scripts: Scripts
    store: QueueStore
    records: Executions
    helpers: Callable[[], Iterable[str]]
    audit: Audit

    def all(self) -> list[QueueStats]:
        """Return every queue ever used."""
        return self.store.stats()

    def pause(self, name: str) -> None:
        """Claim nothing more from a queue; what runs goes on.

        Raises:
            NotFound: No queue has that name.
        """
        self._check(name)
        self.store.pause(name)
        self.audit.note("queue.pause", name)

    def resume(self, name: str) -> bool:
        """Claim from a queue again; False if it wasn't paused.

        Raises:
            NotFound: No queue has that name.
        """
        self._check(name)
        resumed = self.store.resume(name)
        if resumed:
            self.audit.note("queue.resume", name)
        return resumed

    def purge(self, name: str, *, reason: str = "", undo: Undoable | None = None) -> int:
        """Cancel all that waits in a queue, never dead letters; return how many.

        Args:
            name: The queue.
            reason: Why, for people.
            undo: The change that this is, so that it can be undone.

        Raises:
            NotFound: No queue has that name.
        """
        self._check(name)
        why = f"purged: {reason}" if reason else "purged"
        # First what waits behind a running execution: else each that ends would release another into the queue.
        parked = [execution.id for execution in self.records.parked(self.helpers()) if execution.queue == name]
        purged = 0
        for start in range(0, len(parked), _BATCH):
            codes = self.scripts.cancel(parked[start : start + _BATCH], reason=why, undo=undo)
            purged += codes.count("cancelled")
        while True:
            found = self.scripts.purge(name, limit=_BATCH, reason=why, undo=undo)
            purged += found
            if found < _BATCH:
                after = {"cancelled": purged, **({"undo": undo.id} if undo else {})}
                self.audit.note("queue.purge", name, after=after, reason=reason)
                return purged

    def _check(self, name: str) -> None:
        names = self.store.names()
        if name not in names:
            message = f"No queue is named '{name}'."
            raise NotFound(message, hint=f"There are: {', '.join(names) or 'none yet'}.")


@dataclass(frozen=True, slots=True)
class Workers:
    """Use cases around worker processes.

    Args:
        store: The registry.
        queues: For pauses.
        records: For the helpers of what they run.
        audit: Where changes are noted.
    """

    store: WorkerStore
    queues: QueueStore
    records: Executions
    audit: Audit

    def all(self) -> list[dict[str, Any]]:
        """Return every registered worker process as a document."""
        found = [state.to_document() for state in self.store.all()]
        ids = [one["id"] for worker in found for one in worker["doing"]]
        helpers = {one.id: one.helper for one in self.records.get_many(ids)} if ids else {}
        for worker in found:
            # Of what ended since its keeper looked, and was forgotten, nobody knows the helper.
            worker["doing"] = [{**one, "helper": helpers.get(one["id"])} for one in worker["doing"]]
        return found

    def pause(self, worker: str) -> None:
        """Let a worker process claim nothing more; what runs goes on.

        Raises:
            NotFound: No worker process has that id.
        """
        self._check(worker)
        self.queues.pause(f"worker:{worker}")
        self.audit.note("worker.pause", worker)

    def resume(self, worker: str) -> bool:
        """Let a worker process claim again; False if it wasn't paused.

        Raises:
            NotFound: No worker process has that id.
        """
        self._check(worker)
        resumed = self.queues.resume(f"worker:{worker}")
        if resumed:
            self.audit.note("worker.resume", worker)
        return resumed

    def _check(self, worker: str) -> None:
        if worker not in {state.id for state in self.store.all()}:
            message = f"No worker process has the id '{worker}'."
            raise NotFound(message, hint="'helperhub workers list' shows all.")
