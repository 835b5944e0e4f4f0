"""Answers that take long and may be a little old: found once for all who ask meanwhile, and kept for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
#: What is found sooner than this is found anew each time, seconds.
_QUICK_S = 0.1
#: Kept for so many times as long as finding it took, and never longer than this, seconds.
_TIMES, _MOST_S = 100, 60.0
#: So many answers are kept.
_MOST = 64


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Any = None
    until: float = 0.0


class Kept:
    """Keeps answers: on a small hub none, and on a large one as long as asking again would cost.

    So one page that is open in a hundred browsers costs what it costs in one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep nothing yet; ``clock`` tells seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}

    def ask(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return what ``find`` returns, or what it returned lately for the same ``key``; its errors aren't kept."""
        entry = self._entry(key)
        with entry.lock:
            began = self._clock()
            if began >= entry.until:
                entry.answer = find()
                now = self._clock()
                took = now - began
                entry.until = now + min(_MOST_S, _TIMES * took) if took >= _QUICK_S else 0.0
            answer: T = entry.answer
            return answer

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            # The one that was asked for last is the last one, and goes last.
            self._entries[key] = entry
            while len(self._entries) > _MOST:
                del self._entries[next(iter(self._entries))]
            return entry


__all__ = ["Kept"]
