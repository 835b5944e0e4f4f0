"""Limits: what catalogue and settings say is brought to where the scripts see it, and kept there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helperhub.errors import StoreError
from helperhub.store.catalogue import Catalogue, Snapshot
from helperhub.store.rules import find_changes, read_rules
from helperhub.store.scripts import Scripts

#: How often it is done anew because the catalogue changed meanwhile; the next scheduler's turn does the rest.
_TRIES = 20


@dataclass(frozen=True, slots=True)
class LimitRules:
    """Brings the rules of limits to every shard.

    Args:
        scripts: The store.
        catalogue: What authors declare and operators change.
        settings: What the settings say of queues and the hub; see `settings.queues.list_rules`.
        remembered: The catalogue as this process knows it, read anew only when it changed.
    """

    scripts: Scripts
    catalogue: Catalogue
    settings: Mapping[str, str]
    remembered: Callable[[], Snapshot]

    def keep(self) -> int:
        """Let hold what was lost, and free slots that nobody holds any more; return how many there were.

        Raises:
            StoreError: A shard can't be asked; the others are done.
        """
        try:
            snapshot = self.remembered()
            if snapshot.revision >= 0:  # else Redis was never there
                # What is remembered may be a second old: a pause that was ended meanwhile must not come back.
                current = self.catalogue.revision() == snapshot.revision
                self._enter_newest(snapshot if current else self.catalogue.read(), renew_settings=False)
        finally:
            freed = self.scripts.mend()
        return freed

    def enter(self, *, renew_settings: bool = False) -> None:
        """Let what the catalogue says hold, at once and in every shard.

        Args:
            renew_settings: Let this process's settings hold too, instead of those of the one that entered its own
                before; else they are only entered where nobody's are.

        Raises:
            StoreError: A shard can't be asked; the others are done.
        """
        self._enter_newest(self.catalogue.read(), renew_settings=renew_settings)

    def _enter_newest(self, snapshot: Snapshot, *, renew_settings: bool) -> None:
        for _ in range(_TRIES):
            self._enter(snapshot, renew_settings=renew_settings)
            # Whoever wrote what was read here too early writes again.
            if self.catalogue.revision() == snapshot.revision:
                return
            snapshot = self.catalogue.read()

    def _enter(self, snapshot: Snapshot, *, renew_settings: bool) -> None:
        limits, unknown = snapshot.limits(), frozenset(snapshot.unreadable)
        failed: StoreError | None = None
        for part in self.scripts.each:
            try:
                present = read_rules(part.client, part.keys)
                changes = find_changes(present, limits, self.settings, unknown=unknown, renew_settings=renew_settings)
                if changes:
                    part.set_rules(changes)
            except StoreError as error:
                failed = failed or error
        if failed is not None:
            raise failed
