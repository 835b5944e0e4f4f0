"""Dead letters: list, show, replay, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from helperhub.errors import NotFound
from helperhub.model.execution import Execution, Status
from helperhub.services.executions import ExecutionFilter, Executions
from helperhub.store.scripts import Scripts

_BATCH = 500


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Use cases around executions that were given up on."""

    scripts: Scripts
    executions: Executions

    def find(self, *, helper: str | None = None, limit: int) -> list[Execution]:
        """Return dead letters, newest first."""
        wanted = ExecutionFilter(helper=helper)
        return list(islice(filter(wanted.matches, self.executions.records.dead()), limit))

    def count(self) -> int:
        """Return how many there are."""
        return self.executions.records.count_dead()

    def get(self, execution_id: str) -> Execution:
        """Return one dead letter with its errors.

        Raises:
            NotFound: It isn't one (any more).
        """
        execution = self.executions.get(execution_id)
        if execution.status is not Status.ERROR:
            message = f"'{execution_id}' is no dead letter: it is {execution.status.value}."
            raise NotFound(message)
        return execution

    def replay(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Put dead letters back; return (old id, new id) for each.

        Raises:
            NotFound: One isn't a dead letter.
        """
        for execution_id in ids:
            self.get(execution_id)
        return self.executions.replay(ids)

    def replay_all(self, *, helper: str | None = None) -> list[tuple[str, str]]:
        """Put all dead letters back, or a helper's; what dies meanwhile isn't replayed by this call."""
        ids = [execution.id for execution in self.find(helper=helper, limit=self.count())]
        return self.executions.replay_all(ids)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove dead letters; return how many there were."""
        deleted = 0
        for start in range(0, len(ids), _BATCH):
            chunk = list(ids[start : start + _BATCH])
            found = self.scripts.delete_dead(chunk)
            deleted += found
            if found:
                target = chunk[0] if len(chunk) == 1 else f"{found} dead letters"
                self.executions.audit.note("dead.delete", target, before=chunk)
        return deleted

    def delete_all(self, *, helper: str | None = None) -> int:
        """Remove all dead letters, or a helper's; return how many there were."""
        if helper is None:
            return self.delete(list(self.executions.records.dead_ids()))
        return self.delete([execution.id for execution in self.find(helper=helper, limit=self.count())])
