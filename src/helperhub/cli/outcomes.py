"""What ``helperhub up`` prints: where everything is, what is next, and one line an outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from helperhub import __version__
from helperhub.hub import Hub
from helperhub.model.execution import Execution, Status
from helperhub.services.executions import Executions
from helperhub.supervise.child_events import ChildReady

_NEXT = 8
_MOST_LINES = 500
_MOST_NAMED = 5
_OVERLAP = timedelta(seconds=5)
_SIGNS = {
    Status.SUCCESS: "ok",
    Status.ERROR: "DEAD",
    Status.EXPIRED: "expired",
    Status.SKIPPED: "skipped",
    Status.CANCELLED: "cancelled",
}


def banner(hub: Hub, ready: ChildReady) -> str:
    """Return what a person wants to see first."""
    settings = hub.settings
    message = ready.message
    helpers = hub.helpers.all()
    server = "configured Redis" if settings.redis_url is not None else f"embedded server, data in {settings.data_dir}"
    lines = [
        f"HelperHub {__version__}, hub '{settings.hub}'",
        f"  Redis     {server}",
        f"  Workers   {settings.worker.processes} processes x {settings.worker.threads} threads",
        f"  Plugins   {', '.join(message['plugins']) or 'none: pip install one, such as helperhub-weather'}",
    ]
    lines += [f"  NOT LOADED  {reason}" for reason in message["quarantined"]]
    lines += [f"  NOTE      {problem}" for problem in message["problems"]]
    enabled = sum(bool(helper["enabled"]) for helper in helpers)
    lines.append(f"  Helpers   {len(helpers)}, {enabled} enabled")
    upcoming = hub.plan.upcoming(limit=_NEXT)
    if upcoming:
        lines.append("  Next")
        lines += [f"    {_clock(execution.due_at)}  {execution.helper}" for execution in upcoming]
    lines += ["Ctrl-C stops everything, nothing is lost.", ""]
    return "\n".join(lines)


@dataclass(slots=True)
class Outcomes:
    """Follows finished executions.

    Args:
        executions: Where they are read.
        began: The first moment that counts. What was due before it and never ran is told in one line.
    """

    executions: Executions
    began: datetime
    since: datetime = field(init=False)
    _seen: dict[str, datetime] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Begin to look there."""
        self.since = self.began

    def lines(self) -> Iterator[str]:
        """Yield a line for each execution that finished since the last look, oldest first.

        Raises:
            StoreError: Redis can't be asked; the next look goes on.
        """
        found = self.executions.latest(self.since, limit=_MOST_LINES)
        missed: list[Execution] = []
        for execution in reversed(found):
            if execution.id not in self._seen and execution.finished_at is not None:
                self._seen[execution.id] = execution.finished_at
                if self._was_missed(execution):
                    missed.append(execution)
                    continue
                self._count(execution)
                yield describe_outcome(execution)
        if missed:
            # Of more than are read at once the oldest aren't read, and so not counted.
            yield describe_missed(missed, at_least=len(found) == _MOST_LINES)
        if found and found[0].finished_at is not None:
            # Streams are read by time; a little overlap catches what shares a millisecond.
            self.since = max(self.since, found[0].finished_at - _OVERLAP)
            self._seen = {id_: at for id_, at in self._seen.items() if at >= self.since}

    def summary(self) -> str:
        """Return how many ended how."""
        counted = ", ".join(f"{number} {word}" for word, number in sorted(self._counts.items()))
        return f"Since the start: {counted or 'nothing ended'}."

    def _was_missed(self, execution: Execution) -> bool:
        left_out = execution.status in (Status.EXPIRED, Status.SKIPPED)
        return left_out and execution.due_at is not None and execution.due_at < self.began

    def _count(self, execution: Execution) -> None:
        retried = execution.status is Status.SUCCESS and execution.attempt > 1
        self._counts["success after a retry" if retried else execution.status.value] += execution.count


def describe_outcome(execution: Execution) -> str:
    """Return one line: when, how it ended, what, and how long it took or why it didn't work."""
    parts = [
        _clock(execution.finished_at),
        f"{_SIGNS.get(execution.status, execution.status.value):9}",
        execution.helper,
    ]
    if execution.started_at and execution.finished_at:
        parts.append(f"{(execution.finished_at - execution.started_at).total_seconds():.2f} s")
    if execution.attempt > 1 and execution.status is Status.SUCCESS:
        parts.append(f"attempt {execution.attempt} of {execution.max_attempts}")
    if execution.status is not Status.SUCCESS and execution.reason:
        parts.append(execution.reason)
    return "  ".join(parts)


def describe_missed(missed: Sequence[Execution], *, at_least: bool = False) -> str:
    """Return one line on what was due while nothing ran: how often (or ``at_least``), and of which helpers most."""
    counts: Counter[str] = Counter()
    for execution in missed:
        counts[execution.helper] += execution.count
    named = [f"{helper} {number}" for helper, number in counts.most_common(_MOST_NAMED)]
    if len(counts) > _MOST_NAMED:
        named.append(f"{len(counts) - _MOST_NAMED} more helpers")
    number = f"{'at least ' if at_least else ''}{counts.total()} due time{'s' if counts.total() > 1 else ''}"
    text = f"{number} before this start: {', '.join(named)}"
    return "  ".join((_clock(missed[-1].finished_at), f"{'missed':9}", text))


def _clock(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%H:%M:%SZ") if at else "-"
