"""Which executions a list shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helperhub.model.execution import Execution, Status
from helperhub.model.helper import split_key


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions to list; what is None doesn't count.

    Args:
        helper: A helper with all its instances, or one instance.
        statuses: Any of these.
        queue: Of this queue.
        since: Finished at or after.
        until: Finished at or before.
        metadata: All of these, compared as text.
        terms: All of these texts occur in the reason, an error, the payload or the result, in any case.
    """

    helper: str | None = None
    statuses: frozenset[Status] = frozenset()
    queue: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: Mapping[str, str] | None = None
    terms: Sequence[str] = ()

    def matches(self, execution: Execution) -> bool:
        """Return whether ``execution`` is wanted."""
        return self.matches_all_but_text(execution) and self._has_terms(execution)

    def matches_all_but_text(self, execution: Execution) -> bool:
        """Return whether ``execution`` is wanted, where its texts have been searched already."""
        if self.helper is not None and self.helper not in (execution.helper, split_key(execution.helper)[0]):
            return False
        if self.statuses and execution.status not in self.statuses:
            return False
        if self.queue is not None and execution.queue != self.queue:
            return False
        wanted = self.metadata or {}
        return all(str(execution.metadata.get(name)) == value for name, value in wanted.items())

    def _has_terms(self, execution: Execution) -> bool:
        if not self.terms:
            return True
        texts = [text.casefold() for text in _texts(execution)]
        return all(any(term.casefold() in text for text in texts) for term in self.terms)


def _texts(execution: Execution) -> Iterator[str]:
    yield execution.reason
    for error in execution.errors[-1:]:
        yield error.type
        yield error.message
    for value in (execution.payload, execution.result):
        if value is not None:
            yield from _texts_in(value)


def _texts_in(value: Any) -> Iterator[str]:
    """Yield each text, name and number in a value."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name)
            yield from _texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts_in(one)
    elif isinstance(value, str):
        yield value
    else:
        yield json.dumps(value, default=str)


__all__ = ["ExecutionFilter"]
