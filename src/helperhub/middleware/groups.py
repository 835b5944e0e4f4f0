"""Completion callbacks of groups: the settle script counts the members and enqueues them once. Fails closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from dramatiq import Broker, Message
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits import RateLimiterBackend

from helperhub.broker.message import as_claimed
from helperhub.middleware.follow_ups import build_follow_up, has_succeeded, refuse_success
from helperhub.model.duration import to_ms
from helperhub.store.scripts import MemberDone

#: How long a group is counted after its last success: a dead letter among its members may be replayed late.
KEPT = timedelta(days=30)


class Groups(GroupCallbacks):
    """Counts a member when it succeeds, each once, and enqueues the callbacks with the last one's verdict.

    Dramatiq's own counts down a barrier before the message is acknowledged, so that a redelivery counts twice.
    ``group.run()`` looks for this class's parent, and begins the count through its backend.
    """

    def __init__(self, open_group: Callable[[str, int, int], object]) -> None:
        """Begin counts with ``open_group``, which takes a group's id, its size, and ms it is kept."""
        super().__init__(_Counts(open_group), barrier_ttl=to_ms(KEPT))

    def after_process_message(
        self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Put the member's success into its verdict."""
        del result
        claimed = as_claimed(message)
        if claimed is None or not has_succeeded(claimed, exception):
            return
        group = claimed.options.get("group_completion_uuid")
        callbacks = claimed.options.get("group_completion_callbacks")
        if not group or not callbacks:
            return
        try:
            publications = tuple(build_follow_up(broker, claimed, Message(**callback)) for callback in callbacks)
            # A replay is another execution, but the same member.
            member = str(claimed.options.get("group_member") or claimed.execution_id)
            claimed.group = MemberDone(str(group), member, publications, keep_ms=self.barrier_ttl)
        except Exception as error:  # noqa: BLE001 - users' hooks run in there too
            refuse_success(claimed, "group's callback", error)


class _Counts(RateLimiterBackend):
    """What Dramatiq's Barrier asks for when a group is run; all else happens in the settle script."""

    def __init__(self, open_group: Callable[[str, int, int], object]) -> None:
        self._open_group = open_group

    def add(self, key: str, value: int, ttl: int) -> bool:
        self._open_group(key, value, ttl)
        return True
