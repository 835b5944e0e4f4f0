"""Why an execution stands where it does, in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helperhub.model.execution import Execution, Status
from helperhub.model.helper import split_key
from helperhub.model.instant import parse_instant
from helperhub.model.limits import HeldLimits
from helperhub.services.executions import Executions
from helperhub.store.queues import QueueStats
from helperhub.store.workers import WorkerState

_OF_OTHERS = {
    Status.PLANNED: "It is planned, and not due yet.",
    Status.RUNNING: "It is in hand of a worker process.",
    Status.WAITING: "It waits for an answer.",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an execution stands where it does.

    Args:
        execution: The execution, with what it waits for.
        why: One line for people.
    """

    execution: Execution
    why: str

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        document = self.execution.to_document()
        return {name: document[name] for name in ("id", "status", "waits_for")} | {"why": self.why}


@dataclass(frozen=True, slots=True)
class Why:
    """Says why.

    Args:
        executions: Finds executions, and what they wait for.
        limits: What holds each helper's executions back.
        queues: The state of every queue.
        workers: Every registered worker process.
        now: Redis TIME.
    """

    executions: Executions
    limits: Callable[[], Mapping[str, HeldLimits]]
    queues: Callable[[], list[QueueStats]]
    workers: Callable[[], list[WorkerState]]
    now: Callable[[], datetime]

    def __call__(self, execution_id: str) -> Reason:
        """Return why.

        Raises:
            NotFound: Nothing is known of the execution.
        """
        execution = self.executions.show(execution_id)
        return Reason(execution, self._why(execution))

    def _why(self, execution: Execution) -> str:
        status, reason = execution.status, execution.reason
        if status.final:
            return f"It is over: {status.value}{f', {reason}' if reason else ''}."
        return _OF_OTHERS.get(status) or self._of_queued(execution, reason)

    def _of_queued(self, execution: Execution, reason: str) -> str:
        if execution.due_at is not None and execution.due_at > self.now():
            return f"It isn't due yet{f': {reason}' if reason else ''}."
        if execution.waits_for is not None:
            return self._of_limit(execution, execution.waits_for)
        if reason.startswith("overlap: waits for "):
            return f"It waits until {reason.removeprefix('overlap: waits for ')} ends."
        return self._of_queue(execution)

    def _of_limit(self, execution: Execution, found: Mapping[str, Any]) -> str:
        place = f"it is number {found['place']} in line"
        if found["limit"].startswith("pause of "):
            held = self.limits().get(split_key(execution.helper)[0], HeldLimits())
            because = f": {held.pause_reason}" if held.pause_reason else ""
            return f"Helper {split_key(execution.helper)[0]} is paused{because}; {place}."
        if "until" in found:
            at = parse_instant(found["until"])
            return f"The {found['limit']} is {found['rate']}: the next may start at {at:%H:%M:%S}Z; {place}."
        return f"Of {found['limit']} {found['running']} are in hand, {found['bound']} may be; {place}."

    def _of_queue(self, execution: Execution) -> str:
        name = execution.queue
        queue = next((one for one in self.queues() if one.name == name), None)
        if queue is not None and queue.paused:
            return f"Queue {name} is paused."
        serving = [one for one in self.workers() if name in one.about.get("queues", "").split(",")]
        if not serving:
            return f"No worker process serves queue {name}."
        if all(one.suspended for one in serving):
            return f"Every worker process that serves queue {name} is paused."
        ready = queue.ready if queue is not None else 0
        return f"It waits for a free thread: queue {name} has {ready} ready, and {len(serving)} worker processes."
