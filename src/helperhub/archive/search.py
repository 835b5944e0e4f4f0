"""What is searched for in the archive, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from helperhub.model.execution import Execution, Status

#: When Redis recorded an execution's end, ms, and its id: newest first, what ended in one ms by id.
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Search:
    """Which executions; what is None or empty doesn't count.

    Args:
        helper: Without its instance.
        instance: One of its instances; None for all of them, and those without.
        statuses: Any of these.
        queue: Of this queue.
        since_ms: Recorded at or after.
        until_ms: Recorded at or before.
        metadata: All of these, compared as text.
        terms: All of these occur in reason, last error, payload or result. PostgreSQL finds words and beginnings
            of words, and what has several words as a phrase; SQLite finds them anywhere.
    """

    helper: str | None = None
    instance: str | None = None
    statuses: frozenset[Status] = frozenset()
    queue: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    terms: Sequence[str] = ()


class Found(NamedTuple):
    """An execution and its place."""

    place: Place
    execution: Execution


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of what a search finds.

    Args:
        rows: Newest first; may be few, or none, where what is wanted is rare.
        following: Where to go on behind; None if there is nothing more.
    """

    rows: Sequence[Found]
    following: Place | None


__all__ = ["Found", "Place", "Search", "Slice"]
