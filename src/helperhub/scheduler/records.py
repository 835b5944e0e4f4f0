"""The record that a due time becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from helperhub.model.execution import Trigger
from helperhub.model.helper import HelperSpec
from helperhub.model.identity import PlannedId
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.store.body import Envelope
from helperhub.store.envelope import Envelopes
from helperhub.store.record import CODE_BY_OVERLAP, Record, expiry_ms


@dataclass(frozen=True, slots=True)
class RecordOf:
    """Builds the record of a planned time.

    Args:
        max_attempts_of: Starts in all that a queue allows, for helpers that don't say.
        envelopes: Signs what it is given.
    """

    max_attempts_of: Callable[[str], int]
    envelopes: Envelopes

    def __call__(
        self, spec: HelperSpec, planned: PlannedId, due_ms: int, options: Mapping[str, Any] | None = None
    ) -> Record:
        """Return the record of ``planned``, due at ``due_ms``, signed; ``options`` ride in its message.

        Raises:
            ConfigurationError: There is no key to sign with.
        """
        record = self.unsigned(spec, planned, due_ms)
        args = () if spec.payload is None else (spec.payload,)
        record.body = self.envelopes.pack(str(planned), record, Envelope(args, options=dict(options or {})))
        return record

    def unsigned(self, spec: HelperSpec, planned: PlannedId, due_ms: int) -> Record:
        """Return the record of ``planned`` without its body, to be looked at."""
        return Record(
            helper=spec.key,
            queue=spec.queue,
            priority=spec.priority,
            planned_ms=epoch_ms(planned.planned_at),
            due_ms=due_ms,
            expires_ms=expiry_ms(from_ms(due_ms), spec.expires_after),
            max_attempts=spec.retry.max_attempts or self.max_attempts_of(spec.queue),
            trigger=Trigger.SCHEDULE.value,
            overlap=CODE_BY_OVERLAP[spec.overlap],
            key=self.envelopes.limit_key(spec.payload, spec.limits.key),
            called=spec.callback is not None,
        )
