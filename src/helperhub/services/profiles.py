"""What enqueueing needs to know of a helper, remembered for a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from helperhub.broker.publishing import Profile
from helperhub.errors import StoreError
from helperhub.model.helper import HelperSpec, Overlap
from helperhub.store.catalogue import Catalogue, Snapshot

_TRUST_S = 1.0


@dataclass(frozen=True, slots=True)
class QueueRules:
    """One queue's own rules.

    Args:
        time_limit: How long one attempt may take.
        max_attempts: Starts in all.
        result_ttl: How long its successes are kept.
        max_depth: Most executions that may wait; 0 means any number.
    """

    time_limit: timedelta
    max_attempts: int
    result_ttl: timedelta
    max_depth: int


class Profiles:
    """Looks helpers up for the broker; a change of the catalogue counts after a second at most."""

    def __init__(self, catalogue: Catalogue, rules_of: Callable[[str], QueueRules]) -> None:
        """Remember what ``catalogue`` says; ask ``rules_of`` for a queue's rules."""
        self._catalogue = catalogue
        self._rules_of = rules_of
        self._lock = threading.Lock()
        self._snapshot = Snapshot(-1, {}, {})
        self._asked_at = float("-inf")
        #: Whether Redis is known to be away: then nobody waits for what it doesn't answer.
        self.is_away: Callable[[], bool] = lambda: False
        #: What was made of one snapshot.
        self._profiles: tuple[Snapshot, dict[tuple[str, str], Profile]] = (self._snapshot, {})

    def snapshot(self) -> Snapshot:
        """Return the catalogue, at most a second old; older while Redis is away."""
        # Without the lock: whoever asks holds it as long as Redis takes, and what was known will do for so long.
        known = self._snapshot
        is_fresh = known.revision >= 0 and time.monotonic() - self._asked_at <= _TRUST_S
        return known if is_fresh or self.is_away() else self.renew(_TRUST_S)

    def renew(self, trust_s: float = 0.0) -> Snapshot:
        """Return the catalogue, at most ``trust_s`` seconds old; older if Redis is away."""
        with self._lock:
            now = time.monotonic()
            # Asked again: whoever held the lock may have found out.
            if now - self._asked_at > trust_s and not (trust_s and self.is_away()):
                self._asked_at = now
                try:
                    if self._catalogue.revision() != self._snapshot.revision:
                        self._snapshot = self._catalogue.read()
                except StoreError:
                    # Enqueueing will say that Redis is away; what was known still holds.
                    return self._snapshot
            return self._snapshot

    def known(self) -> Snapshot:
        """Return the catalogue as this process saw it last; Redis isn't asked."""
        return self._snapshot

    def spec_of(self, helper: str) -> HelperSpec | None:
        """Return what holds for ``helper[/instance]``, or None if the catalogue doesn't have it."""
        row = self.snapshot().rows.get(helper)
        return row.spec if row else None

    def queue_of(self, helper: str) -> str | None:
        """Return the queue of ``helper[/instance]``, or None if the catalogue doesn't have it."""
        spec = self.spec_of(helper)
        return spec.queue if spec else None

    def knows(self, helper: str) -> bool:
        """Return whether the catalogue has ``helper[/instance]``."""
        return helper in self.snapshot().rows

    def __call__(self, helper: str, queue: str) -> Profile:
        """Return the profile of ``helper`` in ``queue``; a plain actor's is its queue's.

        Raises:
            StoreError: Redis was never there, so nothing is known of any helper.
        """
        known = self.snapshot()
        if known.revision < 0:
            return self._make(self._catalogue.read(), helper, queue)
        made_of, made = self._profiles
        if made_of is not known:
            made = {}
            self._profiles = (known, made)
        profile = made.get((helper, queue))
        if profile is None:
            profile = made[helper, queue] = self._make(known, helper, queue)
        return profile

    def _make(self, known: Snapshot, helper: str, queue: str) -> Profile:
        rules = self._rules_of(queue)
        profile = Profile(queue_attempts=rules.max_attempts, bound=rules.max_depth)
        row = known.rows.get(helper)
        if row is None:
            return profile
        spec = row.spec
        # Only a due time is held back by an overlap; what somebody asks for is merely known to be active.
        return replace(
            profile,
            priority=spec.priority,
            max_attempts=spec.retry.max_attempts,
            expires_after=spec.expires_after,
            overlap=spec.overlap if spec.schedules else Overlap.ALLOW,
            limit_key=spec.limits.key,
            called=spec.callback is not None,
        )
