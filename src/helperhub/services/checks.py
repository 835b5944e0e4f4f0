"""What ``helperhub doctor`` looks at: server, plugins, clock, schedulers, workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from helperhub.errors import StoreError
from helperhub.services.overview import SCHEDULER_SILENT_MS
from helperhub.store import schema
from helperhub.store.catalogue import Catalogue
from helperhub.store.connection import place_of
from helperhub.store.scripts import Scripts
from helperhub.store.server import ServerFacts, read_server
from helperhub.store.workers import Workers
from helperhub.trust.signing import NO_KEY, NO_KEY_HINT, Signatures

_CLOCK_WARN_MS = 1_000
_CLOCK_BAD_MS = 60_000


class Grade(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome.

    Args:
        check: What was looked at.
        grade: How it ended.
        text: What was found.
        hint: What to do about it.
    """

    check: str
    grade: Grade
    text: str
    hint: str = ""

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {"check": self.check, "grade": self.grade.value, "text": self.text, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks a hub.

    Args:
        scripts: The store's shard 0.
        catalogue: For schedulers and unreadable entries.
        workers: The worker registry.
        quarantined: Plugins that were not loaded: name and reason.
        problems: What loaded plugins could not adopt.
        local_ms: This machine's clock, epoch ms.
        signatures: For the keys that there are.
    """

    scripts: Scripts
    catalogue: Catalogue
    workers: Workers
    quarantined: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...]
    local_ms: Callable[[], int]
    signatures: Signatures

    def run(self) -> list[Finding]:
        """Return every finding, problems included; it never raises for what it looks for."""
        try:
            facts = read_server(self.scripts.client, self.scripts.keys.prefix)
        except StoreError as error:
            return [Finding("redis", Grade.PROBLEM, error.message, error.hint), *self._plugins()]
        hub = [self._clock(facts), self._signing(), *self._catalogue(), *self._processes(facts)]
        return [*_server(facts), *self._shards(), self._schema(), *hub, *self._plugins()]

    def _schema(self) -> Finding:
        written = schema.read_schema(self.scripts.client, self.scripts.keys)
        newest = schema.KNOWN.newest
        if written > newest:
            text = f"the hub's keys have {written}, this release knows {newest}"
            return Finding("schema", Grade.PROBLEM, text, "Install the release that the hub's other processes run.")
        if 0 < written < newest:
            text = f"{written} is written; {newest} is once no process of an older release is at work"
            return Finding("schema", Grade.OK, text)
        return Finding("schema", Grade.OK, str(written or newest))

    def _shards(self) -> list[Finding]:
        shards = self.scripts.each
        if len(shards) == 1:
            return []
        places = [place_of(part.client, part.keys.prefix) for part in shards]
        text = ", ".join(f"{number} on {place}" if place else str(number) for number, place in enumerate(places))
        if all(places) and len(set(places)) < len(places):
            hint = "Move a shard's slot ('CLUSTER KEYSLOT' of its hash tag), or name the hub otherwise."
            return [Finding("shards", Grade.WARNING, f"{text}: several on one server", hint)]
        return [Finding("shards", Grade.OK, text)]

    def _clock(self, facts: ServerFacts) -> Finding:
        difference = self.local_ms() - facts.now_ms
        text = f"this machine's clock is {difference} ms {'ahead of' if difference >= 0 else 'behind'} Redis's"
        if abs(difference) < _CLOCK_WARN_MS:
            return Finding("clock", Grade.OK, text)
        grade = Grade.PROBLEM if abs(difference) > _CLOCK_BAD_MS else Grade.WARNING
        return Finding(
            "clock", grade, text, "Redis TIME decides what is due; set the clocks with NTP so that logs agree."
        )

    def _catalogue(self) -> list[Finding]:
        snapshot = self.catalogue.read()
        found = [Finding("catalogue", Grade.OK, f"{len(snapshot.rows)} helpers, revision {snapshot.revision}")]
        for helper, why in snapshot.unreadable.items():
            text = f"'{helper}' can't be read: {why}"
            found.append(Finding("catalogue", Grade.PROBLEM, text, "Install the release that registered it."))
        return found

    def _signing(self) -> Finding:
        if not self.signatures.enabled:
            text = "switched off: whoever can write to Redis can have anything run"
            return Finding("signing", Grade.WARNING, text, "See docs/howto/trust.md.")
        ids = self.signatures.keys.ids
        if not ids:
            return Finding("signing", Grade.PROBLEM, NO_KEY, NO_KEY_HINT)
        return Finding("signing", Grade.OK, f"with key '{ids[0]}'; believed: {', '.join(ids)}")

    def _processes(self, facts: ServerFacts) -> list[Finding]:
        alive = [n for n, at in self.catalogue.schedulers().items() if facts.now_ms - at < SCHEDULER_SILENT_MS]
        workers = self.workers.all()
        return [
            Finding("scheduler", Grade.OK, f"{len(alive)} at work")
            if alive
            else Finding("scheduler", Grade.WARNING, "none at work", "Start 'helperhub up' or 'helperhub scheduler'."),
            Finding("workers", Grade.OK, f"{len(workers)} worker processes")
            if workers
            else Finding("workers", Grade.WARNING, "none at work", "Start 'helperhub up' or 'helperhub worker'."),
        ]

    def _plugins(self) -> list[Finding]:
        found = [
            Finding("plugins", Grade.PROBLEM, f"'{name}' was not loaded: {reason}") for name, reason in self.quarantined
        ]
        found += [Finding("plugins", Grade.WARNING, f"{name}: {problem}") for name, problem in self.problems]
        return found or [Finding("plugins", Grade.OK, "all loaded")]


def _server(facts: ServerFacts) -> list[Finding]:
    found = [
        Finding("redis", Grade.OK, f"{facts.engine} {facts.version}")
        if facts.supported
        else Finding("redis", Grade.PROBLEM, f"{facts.engine} {facts.version}", "Use Redis >= 7.0 or Valkey >= 8.")
    ]
    if facts.aof and facts.appendfsync == "always":
        found.append(Finding("persistence", Grade.OK, "append-only file, written before every answer"))
    elif facts.aof:
        found.append(Finding("persistence", Grade.OK, "append-only file; a crash of the server may lose the last 2 s"))
    else:
        what = (
            "snapshots only: a crash loses what came since the last" if facts.snapshots else "none: a restart loses all"
        )
        found.append(Finding("persistence", Grade.WARNING, what, "Set 'appendonly yes'."))
    if facts.policy == "noeviction":
        found.append(Finding("eviction", Grade.OK, "noeviction"))
    else:
        hint = "Set 'maxmemory-policy noeviction', or Redis throws work away when memory runs short."
        found.append(Finding("eviction", Grade.PROBLEM, facts.policy, hint))
    if facts.maxmemory and facts.used_memory > 0.8 * facts.maxmemory:
        share = round(100 * facts.used_memory / facts.maxmemory)
        found.append(Finding("memory", Grade.WARNING, f"{share} % of maxmemory used", "Raise maxmemory."))
    return found
