"""How quickly the archive is searched in PostgreSQL, with rows by the million.

``python -m bench.archive_search`` makes 10,000,000 executions of 90 days in a PostgreSQL of its own (ten minutes,
12 GB; ``--rows 1000000`` for a look, ``--keep DIRECTORY`` to have them again) and asks each kind of search over and
over, with other values each time. Every kind must reach a p95 of 200 ms.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from tests.servers.postgres import PostgresForTests

from bench.archive_rows import COMMON, END_MS, HELPERS, OLD, SPAN_MS, fill
from helperhub.archive.database import Database
from helperhub.archive.search import Place, Search
from helperhub.archive.searching import Reader
from helperhub.archive.upgrade import upgrade
from helperhub.model.execution import Status

MUST_MS = 200
_PAGE = 50
_WARM_UP = 20
_SETTINGS = ("shared_buffers=1GB", "max_wal_size=4GB")
_DAY_MS = 86_400_000
#: One search, and where it begins.
Asked = tuple[Search, Place | None]


def searches(rows: int) -> dict[str, Callable[[random.Random], Asked | str]]:
    """Return the kinds of searches: each makes one, or an id, by chance."""

    def deep(chance: random.Random) -> Place:
        return END_MS - chance.randrange(SPAN_MS), ""

    def of(**given: object) -> Search:
        return Search(**given)  # type: ignore[arg-type] - whatever a search takes

    failed, ended = frozenset({Status.ERROR}), frozenset({Status.ERROR, Status.EXPIRED})
    return {
        "newest": lambda _: (of(), None),
        "deep page": lambda chance: (of(), deep(chance)),
        "by id": lambda chance: f"{chance.randrange(rows):010x}-bench",
        "helper": lambda chance: (of(helper=_helper(chance)), None),
        "helper, deep": lambda chance: (of(helper=_helper(chance)), deep(chance)),
        "instance": lambda chance: (of(helper=_helper(chance), instance=f"site{chance.randrange(7)}"), None),
        "helper + status": lambda chance: (of(helper=_helper(chance), statuses=failed), None),
        "status": lambda chance: (of(statuses=failed), deep(chance)),
        "two statuses + queue": lambda chance: (of(statuses=ended, queue="reports"), deep(chance)),
        "queue + since": lambda _: (of(queue="reports", since_ms=END_MS - _DAY_MS), None),
        "queue + span": _in_span,
        "metadata": lambda chance: (of(metadata={"user": f"u{chance.randrange(5000)}"}), None),
        "metadata + status": lambda _: (of(metadata={"app": "crm"}, statuses=failed), None),
        "text, one row": lambda chance: (of(terms=(f"o{chance.randrange(rows)}",)), None),
        "text, one in 500": lambda chance: (of(terms=(f"city{chance.randrange(500)}",)), None),
        "text, half of all": lambda chance: (of(terms=(COMMON,)), deep(chance)),
        "text, only long ago": lambda _: (of(terms=(OLD,)), None),
        "text, no row": lambda chance: (of(terms=(f"nothing{chance.randrange(rows)}",)), None),
        "phrase": lambda chance: (of(terms=(f"timed out after {chance.randrange(60)} s",)), None),
        "helper + text": lambda chance: (of(helper=_helper(chance), terms=(f"city{chance.randrange(500)}",)), None),
        "helper + status + text": lambda chance: (
            of(helper=_helper(chance), statuses=failed, terms=(f"host{chance.randrange(300)}",)),
            None,
        ),
    }


def _helper(chance: random.Random) -> str:
    return f"helper{int(chance.random() ** 2 * HELPERS)}"


def _in_span(chance: random.Random) -> Asked:
    until_ms = END_MS - chance.randrange(SPAN_MS)
    return Search(queue="low", since_ms=until_ms - _DAY_MS, until_ms=until_ms), None


def measure(reader: Reader, make: Callable[[random.Random], Asked | str], *, times: int) -> tuple[list[float], float]:
    """Return how long each of so many took, ms, and how many rows a page had; `_WARM_UP` before don't count."""
    chance = random.Random(20261128)
    took, found = [], 0
    for number in range(-_WARM_UP, times):
        asked = make(chance)
        began = time.perf_counter()
        if isinstance(asked, str):
            found += reader.get(asked) is not None
        else:
            search, before = asked
            found += len(reader.search(search, before=before, limit=_PAGE).rows)
        if number >= 0:
            took.append((time.perf_counter() - began) * 1000)
    return sorted(took), found / (times + _WARM_UP)


def report(reader: Reader, kinds: Mapping[str, Callable[[random.Random], Asked | str]], *, times: int) -> bool:
    """Print the table; return whether every kind reaches what it must."""
    good = True
    for name, make in kinds.items():
        took, found = measure(reader, make, times=times)
        p50, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
        good = good and p95 <= MUST_MS
        missed = "" if p95 <= MUST_MS else " **missed**"
        print(f"| {name} | {p50:.1f} | {p95:.1f}{missed} | {took[-1]:.1f} | {found:.1f} |", flush=True)
    return good


def main() -> int:
    """Fill, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=100, help="searches of each kind")
    parser.add_argument("--only", nargs="*", default=(), help="kinds of searches, by a part of their names")
    parser.add_argument("--keep", type=Path, help="directory of the server, filled if it is new, and left there")
    given = parser.parse_args()
    with PostgresForTests(settings=_SETTINGS, directory=given.keep) as server:
        database = Database(server.url)
        upgrade(database, hub="bench")
        with psycopg.connect(server.url) as connection:
            there = connection.execute("SELECT 1 FROM executions LIMIT 1").fetchone()
        if there is None:
            fill(server.url, given.rows, lambda line: print(line, file=sys.stderr, flush=True))
        kinds = {
            name: make
            for name, make in searches(given.rows).items()
            if not given.only or any(part in name for part in given.only)
        }
        print(f"| search of {given.rows:,} | p50 ms | p95 ms | longest ms | rows a page |\n|---|---|---|---|---|")
        good = report(Reader(database), kinds, times=given.times)
        database.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
