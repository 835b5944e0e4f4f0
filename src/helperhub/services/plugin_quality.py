"""How well a plugin's helpers do: what became of their executions lately, and what they don't declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from helperhub.archive.tally import Tally
from helperhub.services.figures import completion_rate, flakiness
from helperhub.services.helpers import Helpers
from helperhub.services.statistics import USUAL_SPAN, Statistics, Wish, name_of

SPAN: timedelta = USUAL_SPAN


@dataclass(frozen=True, slots=True)
class Lately:
    """What became of executions within `SPAN`.

    Args:
        executions: How many ended.
        completion_rate: Share that succeeded, 0 to 1; None if none could.
        failed_attempts: Share of attempts that failed; None if there was none.
        worst: How many executions of one helper failed or expired, and which that is; of the one with most.
    """

    executions: int
    completion_rate: float | None
    failed_attempts: float | None
    worst: tuple[int, str]


@dataclass(slots=True)
class Declared:
    """What a plugin's helpers say of themselves.

    Args:
        helpers: Helpers and instances in the catalogue.
        undescribed: Those without a line for people.
        unmodelled: Those whose payloads nothing is known of.
    """

    helpers: list[str] = field(default_factory=list)
    undescribed: list[str] = field(default_factory=list)
    unmodelled: list[str] = field(default_factory=list)


def declared_of(helpers: Helpers) -> dict[str, Declared]:
    """Return what helpers declare, by distribution."""
    found: dict[str, Declared] = {}
    for name, row in helpers.catalogue.current().rows.items():
        one = found.setdefault(row.spec.plugin, Declared())
        one.helpers.append(name)
        if not row.spec.description:
            one.undescribed.append(name)
        if row.spec.payload_schema is None:
            one.unmodelled.append(name)
    return found


def lately_of(helpers: Helpers, statistics: Statistics) -> Mapping[str, Lately]:
    """Return what became of executions lately, by distribution; of what is gone from the catalogue, nothing.

    Raises:
        NotFound: There is no archive.
        ArchiveError: It can't be read.
    """
    plugins = {name: row.spec.plugin for name, row in helpers.catalogue.current().rows.items()}
    with statistics.view(Wish(since=statistics.now() - SPAN)) as view:
        sums = view.sums("helper", "instance")
    whole: dict[str, Tally] = {}
    worst: dict[str, tuple[int, str]] = {}
    for key, tally in sums.items():
        name = name_of(key)
        if (plugin := plugins.get(name)) is None:
            continue
        whole.setdefault(plugin, Tally()).merge(tally)
        bad = tally.counts["error"] + tally.counts["expired"]
        if bad:
            worst[plugin] = max(worst.get(plugin, (0, "")), (bad, name))
    return {
        plugin: Lately(tally.total, completion_rate(tally), flakiness(tally), worst.get(plugin, (0, "")))
        for plugin, tally in whole.items()
    }


__all__ = ["SPAN", "Declared", "Lately", "declared_of", "lately_of"]
