"""Calls outside as spans of the trace that led to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from helperhub.model.callback_url import CallbackUrl
from helperhub.services.outside import Answer, Outside

if TYPE_CHECKING:
    from helperhub.telemetry.traces import Traces


class Posts(Protocol):
    """Posts to targets outside; see `Outside.post`."""

    def post(self, url: CallbackUrl, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send ``body`` and return the answer, whatever its status."""


@dataclass(frozen=True, slots=True)
class TracedOutside:
    """Posts with ``outside``, tells ``traces`` of it, and the target of the trace (``traceparent``)."""

    outside: Outside
    traces: Traces

    def post(self, url: CallbackUrl, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send ``body`` and return the answer; see `Outside.post`."""
        with self.traces.call("POST", url.host, url.port) as span:
            answer = self.outside.post(url, body, {**headers, **span.headers})
            span.answered(answer.status)
            return answer


__all__ = ["Posts", "TracedOutside"]
