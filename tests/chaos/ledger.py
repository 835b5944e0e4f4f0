"""What happened, written down outside Redis: what was offered and accepted, and every effect."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of the effect log."""

    id: str
    helper: str
    attempt: int
    delivery: int
    pid: int
    mono: float
    wall: float


@dataclass
class Ledger:
    """The effect log, which worker processes write, and what the producer knows."""

    effects_file: Path
    #: Id to monotonic time: asked for, and answered by Redis.
    offered: dict[str, float] = field(default_factory=dict)
    accepted: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, ids: Iterable[str]) -> None:
        """Note what is about to be enqueued: it may be accepted though no answer comes."""
        with self._lock:
            self.offered |= dict.fromkeys(ids, time.monotonic())

    def accept(self, ids: Iterable[str]) -> None:
        """Note what Redis has answered for."""
        with self._lock:
            self.accepted |= dict.fromkeys(ids, time.monotonic())

    def effects(self) -> list[Effect]:
        """Return every effect so far, in order of time."""
        if not self.effects_file.exists():
            return []
        lines = self.effects_file.read_text().splitlines()
        return sorted((Effect(**json.loads(line)) for line in lines), key=lambda effect: effect.mono)

    def effects_by_id(self) -> dict[str, list[Effect]]:
        """Return the effects of each execution."""
        found: dict[str, list[Effect]] = defaultdict(list)
        for effect in self.effects():
            found[effect.id].append(effect)
        return found
