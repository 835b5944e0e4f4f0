"""Which plugins the scheduler found that registered last: loaded, quarantined with the reason, or blocked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helperhub.errors import StoreForbidden
from helperhub.model.instant import to_rfc3339
from helperhub.plugins.loader import Plugins
from helperhub.store.registered import Registered

_log = logging.getLogger("helperhub.plugins")
#: Of a traceback, the end: it says what was raised.
_MOST_DETAILS = 4000
_MOST_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class Installed:
    """Notes and shows what is installed where schedulers run.

    Args:
        store: Where it is kept.
        now: Redis TIME.
    """

    store: Registered
    now: Callable[[], datetime]

    def note(self, plugins: Plugins, *, by: str) -> None:
        """Keep what a scheduler has found.

        Args:
            plugins: What it was.
            by: The process, ``host:pid:chance``.

        Raises:
            StoreError: Redis can't take it.
        """
        try:
            self.store.put({"at": to_rfc3339(self.now()), "by": by, "plugins": _rows(plugins)})
        except StoreForbidden as error:
            # An older user of Redis may not: the helpers are registered all the same.
            _log.warning("plugins_not_noted", extra={"error": error.message})

    def show(self) -> dict[str, Any] | None:
        """Return what was noted last; None if no scheduler has registered yet.

        Raises:
            StoreError: Redis is away.
        """
        return self.store.get()


def _rows(plugins: Plugins) -> list[dict[str, Any]]:
    none = {"helpers": 0, "problems": [], "reason": "", "remedy": "", "details": ""}
    rows: list[dict[str, Any]] = []
    for loaded in plugins.loaded:
        found = {"helpers": len(loaded.specs), "problems": list(loaded.problems[:_MOST_PROBLEMS])}
        rows.append({**_named(loaded), **none, "state": "loaded", **found})
    for broken in plugins.quarantined:
        why = {"reason": broken.reason, "remedy": broken.remedy, "details": broken.details[-_MOST_DETAILS:]}
        rows.append({**_named(broken), **none, "state": "quarantined", **why})
    rows += [{**_named(off), **none, "state": "blocked"} for off in plugins.blocked]
    return rows


def _named(plugin: Any) -> dict[str, str]:
    return {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
