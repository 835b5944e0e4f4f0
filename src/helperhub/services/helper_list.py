"""Helpers as a person looks through them: searched, grouped, page by page, with what became of them lately."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from helperhub.archive.statistics import Which
from helperhub.errors import UsageError
from helperhub.model.helper import split_key
from helperhub.model.instant import epoch_ms
from helperhub.model.span import HOUR_MS, Stretch, ceil_to
from helperhub.services.helpers import Helpers
from helperhub.services.statistics import Statistics, View, Wish, name_of
from helperhub.store.catalogue import CatalogueRow, Snapshot

#: What helpers can be grouped by.
GROUPS = ("plugin", "queue")
#: What a list can be reduced to.
STATES = ("on", "off", "paused", "changed", "failing")
#: How far outcomes are looked back for, hours.
HOURS = 24
#: So many helpers are looked for that fail, at most.
_MOST_FAILING = 1000


@dataclass(frozen=True, slots=True)
class ListWish:
    """Which helpers to list, and how.

    Args:
        text: Words that all occur in the name, description, plugin or queue, in any case.
        group: One of `GROUPS`.
        state: One of `STATES`; empty for all.
        failing: Names that count as failing, where that is asked for.
        page: Counted from 1.
        size: So many on a page.
    """

    text: str = ""
    group: str = "plugin"
    state: str = ""
    failing: Collection[str] = ()
    page: int = 1
    size: int = 50

    def __post_init__(self) -> None:
        """Refuse what is none of the words.

        Raises:
            UsageError: One isn't.
        """
        for value, known in ((self.group, GROUPS), (self.state, ("", *STATES))):
            if value not in known:
                message = f"'{value[:80]}' isn't something that helpers are listed by."
                raise UsageError(message, hint=f"There are: {', '.join(filter(None, known))}.")


@dataclass(frozen=True, slots=True)
class HelperList:
    """A page of helpers.

    Args:
        helpers: Their documents, by group and name.
        total: How many there are on all pages.
        pages: How many pages, at least 1.
        page: Which one this is.
        groups: How many helpers each group has on all pages, by its name.
    """

    helpers: Sequence[dict[str, Any]]
    total: int
    pages: int
    page: int
    groups: Mapping[str, int]


def list_helpers(helpers: Helpers, wish: ListWish, sees: Callable[[str, str], bool]) -> HelperList:
    """Return a page of the helpers that are wanted and that the caller may see."""
    snapshot = helpers.catalogue.current()
    paused = _paused(snapshot) if wish.state == "paused" else set()
    words = wish.text.casefold().split()
    found = [
        (group_of(row, wish.group), name)
        for name, row in snapshot.rows.items()
        if sees(name, row.spec.queue) and _has_state(row, wish, paused) and _has_words(row, words)
    ]
    found.sort()
    pages = max(1, -(-len(found) // wish.size))
    page = min(max(1, wish.page), pages)
    shown = [name for _, name in found[(page - 1) * wish.size : page * wish.size]]
    groups = Counter(group for group, _ in found)
    return HelperList(helpers.several(shown), len(found), pages, page, groups)


def suggest_helpers(
    helpers: Helpers, text: str, sees: Callable[[str, str], bool], *, limit: int
) -> list[tuple[str, str]]:
    """Return name and description of helpers that fit a text, those first whose name begins with it.

    Args:
        helpers: The hub's.
        text: Words, as `ListWish` has them.
        sees: Whether the caller may see a helper of this name and queue.
        limit: At most so many.
    """
    words, start = text.casefold().split(), text.casefold().strip()
    found = []
    for name, row in helpers.catalogue.current().rows.items():
        if _has_words(row, words) and sees(name, row.spec.queue):
            folded = name.casefold()
            found.append((not folded.startswith(start), start not in folded, name, row.spec.description))
    return [(name, description) for _, _, name, description in heapq.nsmallest(limit, found)]


def group_of(row: CatalogueRow, group: str) -> str:
    """Return the group that a helper is in; what no plugin ships is in the one without a name."""
    return row.spec.queue if group == "queue" else row.spec.plugin


def _paused(snapshot: Snapshot) -> set[str]:
    return {name for name, held in snapshot.limits().items() if held.paused}


def _has_state(row: CatalogueRow, wish: ListWish, paused: Collection[str]) -> bool:
    match wish.state:
        case "on":
            return row.spec.enabled
        case "off":
            return not row.spec.enabled
        case "paused":
            return split_key(row.helper)[0] in paused
        case "changed":
            return row.override is not None
        case "failing":
            return row.helper in wish.failing
    return True


def _has_words(row: CatalogueRow, words: Sequence[str]) -> bool:
    spec = row.spec
    text = f"{row.helper}\n{spec.description}\n{spec.plugin}\n{spec.queue}".casefold()
    return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How a helper's executions ended, hour by hour.

    Args:
        good: Successes of each of the last `HOURS`, the oldest first.
        bad: Errors and what expired.
    """

    good: list[int]
    bad: list[int]


def outcomes_of(statistics: Statistics, names: Collection[str], now: datetime) -> dict[str, Outcomes]:
    """Return by helper or instance how its executions of the last `HOURS` ended; of what never ran, nothing.

    Raises:
        NotFound: There is no archive.
        ArchiveError: It can't be read.
    """
    if not names:
        return {}
    until = ceil_to(epoch_ms(now), HOUR_MS)
    since = until - HOURS * HOUR_MS
    which = Which(helpers=names)
    with statistics.reading() as reader:
        view = View(reader, [Stretch("hour", since, until)], since, until, which)
        sums = view.sums("helper", "instance", "start_ms")
    found: dict[str, Outcomes] = {}
    for (helper, instance, start_ms), tally in sums.items():
        name = name_of((helper, instance))
        if name not in names:
            continue
        one = found.setdefault(name, Outcomes([0] * HOURS, [0] * HOURS))
        at = (start_ms - since) // HOUR_MS
        one.good[at] += tally.counts["success"]
        one.bad[at] += tally.counts["error"] + tally.counts["expired"]
    return found


def failing_of(statistics: Statistics, now: datetime) -> set[str]:
    """Return the helpers and instances that failed or expired in the last `HOURS`; raises as `outcomes_of`."""
    wish = Wish(since=now - timedelta(hours=HOURS), until=now)
    rows = statistics.helpers(wish, order="failing", limit=_MOST_FAILING)["helpers"]
    return {row["helper"] for row in rows}


__all__ = [
    "GROUPS",
    "HOURS",
    "STATES",
    "HelperList",
    "ListWish",
    "Outcomes",
    "failing_of",
    "list_helpers",
    "outcomes_of",
    "suggest_helpers",
]
