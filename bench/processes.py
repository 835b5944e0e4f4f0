"""What the processes of a side use, read from proc(5): CPU time and memory, children included."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree_of(pids: Iterable[int]) -> list[int]:
    """Return these processes and all below them that are there now."""
    found, left = [], list(pids)
    while left:
        pid = left.pop()
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            children = " ".join((task / "children").read_text() for task in tasks)
        except OSError:
            continue
        found.append(pid)
        left += [int(text) for text in children.split()]
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds that these processes and all below them, ended ones too, have used."""
    ticks = 0
    for pid in tree_of(pids):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(text) for text in fields[11:15])  # utime, stime, cutime, cstime
    return ticks * _TICK_S


def precise_cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds of all threads that live, to the microsecond: ticks are too coarse for a quiet worker."""
    total_ns = 0
    for pid in tree_of(pids):
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                total_ns += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total_ns / 1e9


def resident_bytes(pids: Iterable[int]) -> dict[int, int]:
    """Return the resident memory of each of these processes and all below them."""
    found = {}
    for pid in tree_of(pids):
        try:
            found[pid] = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
        except OSError:
            continue
    return found
