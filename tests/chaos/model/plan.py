"""The plan of one helper as plain Python: what `plan`, `mark_plan`, `enqueue_due` and `register` promise."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.chaos.model.model import Entry, Model


@dataclass
class Plan:
    """One helper's due times, and what people decided about them."""

    model: Model
    helper: str
    revision: int = 0
    state: str = ""
    slots: dict[str, int] = field(default_factory=dict)
    marks: dict[str, tuple[str, int, str]] = field(default_factory=dict)

    def register(self, change: str) -> tuple[int, int]:
        self.revision += 1
        going = [slot for slot, due in self.slots.items() if due > self.model.now] if change != "keep" else []
        for slot in going:
            del self.slots[slot]
        if change == "renew":
            self.state = f"{self.revision}|{self.model.now}|{self.model.now}"
        elif change == "stop":
            self.state = ""
        return self.revision, len(going)

    def plan(self, state: str, slots: list[tuple[str, int]], until: int) -> int:
        if not self.state or state != self.state:
            return -1
        added = 0
        for slot, due in slots:
            action, moved, _ = self.marks.get(slot, ("", due, ""))
            if action in ("", "move") and self.helper + slot not in self.model.entries and slot not in self.slots:
                self.slots[slot] = moved
                added += 1
        for slot, (action, moved, _) in self.marks.items():
            gone = slot not in self.slots and self.helper + slot not in self.model.entries
            if gone and action == "move" and moved > self.model.now:
                self.slots[slot] = moved
                added += 1
        revision, _, enabled_at = self.state.split("|")
        self.state = f"{revision}|{until}|{enabled_at}"
        return added

    def mark(self, slot: str, action: str, due: int, reason: str) -> int:
        if slot not in self.slots:
            was, at, why = self.marks.get(slot, ("", 0, ""))
            return at if why == reason and was == ("skip" if action == "skip" else "done") else -1
        if action == "skip":
            del self.slots[slot]
            self.marks[slot] = "skip", 0, reason
            if self.helper + slot not in self.model.entries:
                self.model.entries[self.helper + slot] = Entry(self.helper)
                self.model.finish(self.helper + slot, "k")
            return 0
        at = self.model.now if action == "run" else due
        self.slots[slot] = at
        self.marks[slot] = "move", at, reason
        return at

    def enqueue_due(self, slot: str, due: int, entry: Entry, status: str) -> int:
        if self.slots.get(slot) != due:
            return 0
        del self.slots[slot]
        action, at, why = self.marks.get(slot, ("", 0, ""))
        if action == "move":
            self.marks[slot] = "done", at, why
        id_ = self.helper + slot
        blocked = entry.overlap and self.model.active[self.helper]
        if id_ in self.model.entries:
            return 0
        if status != "q" or (entry.overlap == "s" and blocked):
            self.model.entries[id_] = entry
            self.model.finish(id_, status if status != "q" else "k")
            return 3
        if entry.overlap == "q" and blocked:
            entry.enqueued = self.model.now
            self.model.entries[id_] = entry
            self.model.parked[self.helper].add(id_)
            self.model.counts[entry.queue].update(enqueued=1, parked=1)
            return 2
        self.model.enqueue(id_, entry)
        return 1
