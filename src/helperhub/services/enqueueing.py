"""Enqueueing by name: what ``hub.enqueue`` and the faces do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dramatiq import Message

from helperhub.broker.broker import HelperHubBroker
from helperhub.broker.patience import Patience
from helperhub.broker.running import check_payload
from helperhub.errors import HelperHubError, StoreUnavailable, UsageError
from helperhub.model.callback_url import parse_callback_url
from helperhub.model.duration import to_ms
from helperhub.model.execution import Trigger
from helperhub.model.helper import split_key
from helperhub.model.identity import ExecutionId, check_caller_id, new_execution_id
from helperhub.plugins.declaration import Helper
from helperhub.services.helpers import unknown_helper
from helperhub.services.profiles import Profiles
from helperhub.store.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class EnqueueOptions:
    """How an execution is enqueued; what is None follows the helper.

    Args:
        delay: How long it waits first.
        at: When it is due; an aware time, instead of ``delay``.
        priority: 1 to 5.
        id: The caller's id: enqueueing it again changes nothing and answers the same id.
        expires_after: It isn't started later than its due time plus this.
        metadata: Kept with it and searchable: app, user, source.
        trigger: What asked for it.
        wait: How long the call goes on trying while Redis can't take it.
        unique_key: Of executions of a helper with one key there is one: while it isn't over, or for ``unique_for``.
        unique_for: How long the key is held from enqueueing on, whatever becomes of the execution.
        callback: URL that is told of its end.
    """

    delay: timedelta | None = None
    at: datetime | None = None
    priority: int | None = None
    id: str | None = None
    expires_after: timedelta | None = None
    metadata: Mapping[str, Any] | None = None
    trigger: Trigger = Trigger.CODE
    wait: timedelta | None = None
    unique_key: str | None = None
    unique_for: timedelta | None = None
    callback: str | None = None

    def delay_ms(self) -> int | None:
        """Return the delay in ms, or None.

        Raises:
            UsageError: Both ``delay`` and ``at`` are given, or ``at`` names no offset.
        """
        if self.at is None:
            return to_ms(self.delay) if self.delay else None
        if self.delay is not None or self.at.tzinfo is None:
            message = "Give either a delay or an aware time, not both."
            raise UsageError(message)
        return max(0, to_ms(self.at - datetime.now(UTC)))

    def message_options(self) -> dict[str, Any]:
        """Return what rides in the message for the broker."""
        options: dict[str, Any] = {"trigger": self.trigger}
        if self.priority is not None:
            options["priority"] = self.priority
        if self.expires_after is not None:
            options["expires_after"] = self.expires_after
        if self.metadata:
            options["metadata"] = dict(self.metadata)
        if self.id is not None:
            check_caller_id(self.id)
            options["keyed"] = True
        if self.unique_key is not None:
            options["unique_key"] = self.unique_key
        if self.callback is not None:
            parse_callback_url(self.callback)
            options["callback"] = self.callback
        if self.unique_for is not None:
            options["unique_for"] = self.unique_for
        return options


@dataclass(frozen=True, slots=True)
class Enqueueing:
    """Enqueues executions by helper name.

    Args:
        broker: Publishes.
        profiles: The catalogue, at most a second old.
        catalogue: Asked when a helper isn't known yet.
        local_helper: The helper of that name that this process has loaded, or None.
    """

    broker: HelperHubBroker
    profiles: Profiles
    catalogue: Catalogue
    local_helper: Callable[[str], Helper | None]

    def one(self, helper: str, payload: Any, options: EnqueueOptions) -> ExecutionId:
        """Enqueue one execution and return its id, or that of the one which has its id or unique key already.

        Raises:
            NotFound: No helper has that name.
            UsageError: The payload or an option can't be used.
            QueueFull: Its queue has a bound and is full.
            StoreError: Redis can't take it.
        """
        given, delay, id_ = options.message_options(), options.delay_ms(), options.id or new_execution_id()
        patience = self._patience(options)
        message = patience.attempt(lambda: self._message(helper, payload, given, id_))
        return _id_of(self.broker.enqueue(message, delay=delay, patience=patience))

    def check(self, helper: str, payload: Any, options: EnqueueOptions) -> None:
        """Refuse what `one` would refuse for good, as far as that is known without Redis.

        Raises:
            StoreUnavailable: This process knows no such helper, and can't ask.
            UsageError: The payload or an option can't be used.
        """
        row = self.profiles.known().rows.get(helper)
        if row is None and helper not in self.broker.actors:
            problem = f"Redis is away, and nobody here knows whether there is a helper '{helper}'."
            raise StoreUnavailable(problem, hint="Send it again later.")
        options.delay_ms()
        given, id_ = options.message_options(), options.id or new_execution_id()
        name, instance = split_key(helper)
        local = self.local_helper(name)
        if local is not None:
            check_payload(local, payload if payload is not None or row is None else row.spec.payload)
        queue = row.spec.queue if row is not None else self.broker.actors[helper].queue_name
        own = {**given, "instance": instance} if instance else given
        args = () if payload is None else (payload,)
        message: Message[Any] = Message(queue, name, args, {}, own, message_id=id_)
        self.broker.publication(message)  # made for what it refuses

    def each(self, executions: Sequence[tuple[str, Any, EnqueueOptions]]) -> list[ExecutionId]:
        """Enqueue (helper, payload, options) and return their ids in order; see `one`.

        In one round trip each 500 if they differ in helper, payload and id only. What can be refused for good is
        refused before the first is enqueued; of other errors the hint says how many were.
        """
        if len(executions) > 1 and _are_alike([options for _, _, options in executions]):
            ids = [options.id for _, _, options in executions]
            common = replace(executions[0][2], id=None)
            return self.many([(helper, payload) for helper, payload, _ in executions], common, ids=ids)
        for _, _, options in executions[1:]:
            options.message_options(), options.delay_ms()
        found: list[ExecutionId] = []
        for helper, payload, options in executions:
            try:
                found.append(self.one(helper, payload, options))
            except HelperHubError as error:
                if len(executions) > 1:
                    error.hint = f"{len(found)} of {len(executions)} were enqueued. {error.hint}".strip()
                raise
        return found

    def many(
        self,
        executions: Iterable[tuple[str, Any]],
        options: EnqueueOptions,
        *,
        unique_key: Callable[[Any], str | None] | None = None,
        unique_for: timedelta | None = None,
        ids: Sequence[str | None] = (),
    ) -> list[ExecutionId]:
        """Enqueue (helper, payload) pairs and return their ids in order; see `one`.

        Args:
            executions: The pairs.
            options: What they have in common.
            unique_key: Returns the unique key of each from its payload; None means that it has none.
            unique_for: How long these keys are held; None means until their executions end.
            ids: The callers' ids of each, None for those that have none; empty if none has.

        Raises:
            UsageError: ``options`` hold an id: many executions can't share one.
        """
        if options.id is not None:
            message = "Many executions can't share one id."
            raise UsageError(message)
        given, delay, wanted = options.message_options(), options.delay_ms(), list(executions)
        patience = self._patience(options)

        for id_ in ids:
            if id_ is not None:
                check_caller_id(id_)

        def build(helper: str, payload: Any, id_: str | None) -> Message[Any]:
            key = unique_key(payload) if unique_key is not None else None
            own = given if key is None else {**given, "unique_key": key, "unique_for": unique_for}
            if id_ is not None:
                own = {**own, "keyed": True}
            return self._message(helper, payload, own, id_ or new_execution_id())

        given_ids = ids or [None] * len(wanted)
        messages = patience.attempt(
            lambda: [build(helper, payload, id_) for (helper, payload), id_ in zip(wanted, given_ids, strict=True)]
        )
        return [_id_of(message) for message in self.broker.enqueue_many(messages, delay=delay, patience=patience)]

    def _patience(self, options: EnqueueOptions) -> Patience:
        return self.broker.patience(None if options.wait is None else options.wait.total_seconds())

    def _message(self, helper: str, payload: Any, options: Mapping[str, Any], message_id: str) -> Message[Any]:
        name, instance = split_key(helper)
        queue, declared = self._look_up(helper)
        if payload is None:
            payload = declared
        local = self.local_helper(name)
        if local is not None:
            check_payload(local, payload)
        args = () if payload is None else (payload,)
        own = {**options, "instance": instance} if instance else dict(options)
        return Message(queue, name, args, {}, own, message_id=message_id)

    def _look_up(self, helper: str) -> tuple[str, Any]:
        """Return the helper's queue, and the payload of its scheduled executions."""
        row = self.profiles.snapshot().rows.get(helper)
        if row is not None:
            return row.spec.queue, row.spec.payload
        actor = self.broker.actors.get(helper)
        if actor is not None:
            return actor.queue_name, None
        rows = self.catalogue.current().rows  # it may be new
        if helper not in rows:
            raise unknown_helper(helper, [*rows, *self.broker.actors])
        return rows[helper].spec.queue, rows[helper].spec.payload


def _are_alike(options: Sequence[EnqueueOptions]) -> bool:
    """Return whether they differ in their ids only, and one call may carry them."""
    first = replace(options[0], id=None)
    return first.unique_key is None and all(replace(one, id=None) == first for one in options[1:])


def _id_of(message: Message[Any]) -> ExecutionId:
    found = message.message_id
    return found if isinstance(found, ExecutionId) else ExecutionId(found)
