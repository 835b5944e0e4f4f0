"""Changes that can be undone for a time, as Redis keeps them: in each shard what was changed there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from helperhub.model.duration import to_ms
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys

#: The reason of what waits behind its helper's active execution begins so.
PARKED = "overlap: waits for "
#: How long a change can be undone.
UNDO_FOR = timedelta(minutes=10)


class Change(StrEnum):
    """What was done."""

    DELETE = "delete"
    REPLAY = "replay"
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class Undoable:
    """A change that is to be noted so that it can be undone.

    Args:
        id: Its own.
        kind: What is done.
        target: To what: a queue where it is purged, else empty.
        who: Who does it.
    """

    id: str
    kind: Change
    target: str = ""
    who: str = ""

    def entry(self) -> list[str | int]:
        """Return what `lua/parts/undo.lua` takes."""
        return [self.id, to_ms(UNDO_FOR), self.kind.value, self.target, self.who]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a change is undone in a shard.

    Args:
        begun: Whether somebody had begun to before.
        left: Executions that haven't been looked at.
        rows: Executions that were changed.
        undone: Of these, those that are as before.
        taken: Executions that this step was about.
    """

    begun: bool
    left: int
    rows: int
    undone: int
    taken: int


@dataclass(frozen=True, slots=True)
class Undoables:
    """The changes of one shard."""

    client: Client
    keys: Keys

    def get(self, change_id: str) -> Undoable | None:
        """Return what was noted, or None: it changed nothing here, or can't be undone any more."""
        with store_errors():
            found = self.client.hmget(self.keys.at("undo", change_id), ["kind", "target", "who"])
        if None in found:
            return None
        kind, target, who = (str(raw, "utf-8") for raw in found)
        return Undoable(change_id, Change(kind), target, who)

    def oldest(self, change_id: str, number: int) -> tuple[int, dict[str, bool]]:
        """Return how many executions of a purge are left, and the oldest of these: id to whether it was parked."""
        key = self.keys.at("undorows", change_id)
        with store_errors():
            pipeline = self.client.pipeline(transaction=True)
            pipeline.llen(key)
            pipeline.lrange(key, -number, -1)
            left, rows = pipeline.execute()
        return left, {str(raw[2:], "utf-8"): raw[:2] == b"p " for raw in reversed(rows)}


__all__ = ["PARKED", "UNDO_FOR", "Change", "Progress", "Undoable", "Undoables"]
