"""What traces are told by; apart from what makes them, for it is imported where nobody collects traces, too."""

from __future__ import annotations

from dataclasses import dataclass

#: The option of a message that names the span it was enqueued by; W3C Trace Context's own word.
CARRIED = "traceparent"


@dataclass(frozen=True, slots=True)
class Told:
    """What spans say of an execution.

    Args:
        id: Its id.
        helper: ``helper[/instance]``.
        queue: Its queue.
    """

    id: str
    helper: str
    queue: str

    def attributes(self, operation: str) -> dict[str, str]:
        """Return it by the names of OpenTelemetry's conventions for messaging."""
        return {
            "messaging.system": "helperhub",
            "messaging.destination.name": self.queue,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.message.id": self.id,
            "helperhub.helper": self.helper,
            "helperhub.execution_id": self.id,
        }


__all__ = ["CARRIED", "Told"]
