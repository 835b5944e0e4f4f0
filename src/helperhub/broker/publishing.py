"""From a Dramatiq message to the record that is enqueued."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from dramatiq import Actor, Message

from helperhub.broker.options import BOOKKEEPING, check_message_options
from helperhub.broker.unique import UNIQUE_OPTIONS, read_unique
from helperhub.errors import QueueFull, TooLarge, UsageError
from helperhub.model.duration import to_ms
from helperhub.model.execution import Trigger
from helperhub.model.helper import PRIORITIES, Overlap, priority_of_actor
from helperhub.model.identity import new_execution_id
from helperhub.store.body import Envelope, to_json, write_envelope
from helperhub.store.envelope import Envelopes
from helperhub.store.record import CODE_BY_OVERLAP, Record, expiry_ms
from helperhub.store.scripts import Publication

#: ``max_retries=None`` is Dramatiq's "for ever".
FOR_EVER = 1_000_000
#: Message options that become part of the record; everything else stays Dramatiq's.
_OWN_OPTIONS = ("instance", "priority", "expires_after", "metadata", "trigger", "replay_of", "keyed", *UNIQUE_OPTIONS)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the catalogue and the queue say about a helper's executions.

    Args:
        priority: 1 to 5; None if nobody but its actor says.
        max_attempts: Starts in all that the helper or instance declares; None if it doesn't say.
        queue_attempts: Starts in all that its queue allows, where nobody else says.
        expires_after: None means never.
        overlap: Whether its active executions have to be known.
        bound: Most executions that may wait in its queue; 0 means any number.
        limit_key: Field of the payload whose values have limits of their own; None if there are no such.
        called: Whether its helper names a URL that is told of each end.
    """

    priority: int | None = None
    max_attempts: int | None = None
    queue_attempts: int = 4
    expires_after: timedelta | None = None
    overlap: Overlap = Overlap.ALLOW
    bound: int = 0
    limit_key: str | None = None
    called: bool = False


class ProfileSource(Protocol):
    """Looks helpers up."""

    def __call__(self, helper: str, queue: str) -> Profile:
        """Return the profile of ``helper[/instance]`` in ``queue``."""

    def knows(self, helper: str) -> bool:
        """Return whether the catalogue has ``helper[/instance]``."""


def build_publication(
    message: Message[Any],
    *,
    delay_ms: int,
    profile_of: Callable[[str, str], Profile],
    actor: Actor[..., Any] | None,
    max_payload: int,
    envelopes: Envelopes,
) -> Publication:
    """Return what enqueues ``message``.

    Its id is the message's; sent once more it gets another, for a message may be sent twice
    (``group.run()``), while one call sent again after a lost reply is the same execution.

    Args:
        message: The message, with HelperHub's options among Dramatiq's.
        delay_ms: How long it waits first.
        profile_of: Looks its helper up.
        actor: Its actor, whose priority, ``max_retries`` and ``max_age`` count; None if it isn't here.
        max_payload: Largest arguments, bytes.
        envelopes: Signs what it is given.

    Raises:
        UsageError: An option is out of range, or the payload is not JSON or too large.
        ConfigurationError: There is no key to sign with.
    """
    check_message_options(message)
    call = new_execution_id()
    options = {name: value for name, value in message.options.items() if name not in BOOKKEEPING}
    if options.get("group_completion_uuid"):
        # What a replay, which is another execution, has in common with this one.
        options.setdefault("group_member", call)
    own = {name: options.pop(name) for name in _OWN_OPTIONS if name in options}
    helper = message.actor_name if not own.get("instance") else f"{message.actor_name}/{own['instance']}"
    profile = profile_of(helper, message.queue_name)
    actor_options = actor.options if actor else {}
    max_age = options.get("max_age", actor_options.get("max_age"))
    expires_ms = expiry_ms(None, _expires_after(own, max_age, profile, delay_ms))
    envelope = Envelope(message.args, dict(message.kwargs), options, expires_ms)
    text = write_envelope(envelope)
    if len(text) > max_payload:
        problem = f"The payload of '{helper}' has {len(text)} bytes, {max_payload} are allowed."
        raise TooLarge(problem, hint="Store it elsewhere and send its place, or raise HELPERHUB_MAX_PAYLOAD.")
    group = find_group(message.options)
    unique, unique_for_ms = read_unique(own, group=group)
    usual = priority_of_actor(actor.priority if actor else 0) if profile.priority is None else profile.priority
    record = Record(
        helper=helper,
        queue=message.queue_name,
        priority=_priority(own.get("priority", usual)),
        expires_ms=expires_ms,
        max_attempts=_max_attempts(options, actor_options, profile),
        trigger=Trigger(own.get("trigger", Trigger.CODE)).value,
        replay_of=own.get("replay_of") or "",
        metadata=to_json(own["metadata"], what="The metadata") if own.get("metadata") else b"",
        call="" if own.get("keyed") else call[-8:],
        overlap=CODE_BY_OVERLAP[profile.overlap],
        key=envelopes.limit_key(envelope.payload, profile.limit_key) if profile.limit_key else "",
        unique=unique,
        # Which URL it is rides in the envelope, where it is signed, or is looked up when it ends.
        called=profile.called or bool(options.get("callback")),
    )
    record.body = envelopes.pack_content(message.message_id, record, text)
    other = "" if own.get("keyed") else call
    return Publication(
        message.message_id,
        record,
        other_id=other,
        delay_ms=max(0, delay_ms),
        bound=profile.bound,
        group=group,
        unique_for_ms=unique_for_ms,
    )


def find_group(options: Mapping[str, Any]) -> str:
    """Return the group that a message with these options is counted in, or what follows it; empty if none."""
    while "group_completion_uuid" not in options:
        following = options.get("pipe_target")
        if not isinstance(following, Mapping):
            return ""
        options = following.get("options") or {}
    return str(options["group_completion_uuid"])


def readdress(publication: Publication, envelopes: Envelopes) -> Publication:
    """Return ``publication`` under its other id, signed for that: the first belongs to another call."""
    envelope = envelopes.open(publication.id, publication.record)
    body = envelopes.pack(publication.other_id, publication.record, envelope)
    return replace(publication, id=publication.other_id, record=replace(publication.record, body=body))


def queue_full(publication: Publication, depth: str, went_in: int) -> QueueFull:
    """Return the error that says how many wait, and how many of the call went in before."""
    queue = publication.record.queue
    message = f"Queue '{queue}' is full: {depth} executions wait, {publication.bound} may."
    setting = f"HELPERHUB_QUEUES__{queue.upper()}__MAX_DEPTH"
    hint = f"{went_in} of this call were enqueued. Wait, or raise {setting}."
    return QueueFull(message, hint=hint, queue=queue, depth=int(depth), bound=publication.bound)


def _priority(value: object) -> int:
    if value not in PRIORITIES:
        message = f"Priority {value!r} is out of range."
        raise UsageError(message, hint="Take 1 (first) to 5.")
    return int(value)  # type: ignore[call-overload,no-any-return]  # a member of PRIORITIES is an int


def _expires_after(own: Mapping[str, Any], max_age: Any, profile: Profile, delay_ms: int) -> timedelta | None:
    if "expires_after" in own or not max_age:
        return _read_expiry(own.get("expires_after", profile.expires_after))
    # Dramatiq's counts from the sending on, with the delay.
    if max_age <= delay_ms:
        message = f"max_age={max_age} is over before the delay of {delay_ms} ms: it would never run."
        raise UsageError(message, hint="Raise max_age, or give expires_after, which counts from the due time.")
    return timedelta(milliseconds=max_age - delay_ms)


def _read_expiry(value: object) -> timedelta | None:
    if value is None or isinstance(value, timedelta):
        return value
    if isinstance(value, int | float):
        return timedelta(milliseconds=value)
    message = f"expires_after={value!r} is neither a timedelta nor a number of milliseconds."
    raise UsageError(message)


def _max_attempts(options: Mapping[str, Any], actor_options: Mapping[str, Any], profile: Profile) -> int:
    # An instance's own number is in the catalogue; its actor's options are its helper's.
    if "max_retries" not in options and profile.max_attempts is not None:
        return profile.max_attempts
    for source in (options, actor_options):
        if "max_retries" in source:
            retries = source["max_retries"]
            return FOR_EVER if retries is None else int(retries) + 1
    return profile.queue_attempts


def delay_to_ms(delay: Any) -> int:
    """Return a delay given as Dramatiq's milliseconds or as a timedelta in ms; None is 0.

    Raises:
        UsageError: It is neither.
    """
    if delay is None:
        return 0
    if isinstance(delay, timedelta):
        return to_ms(delay)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not math.isfinite(delay):
        message = f"delay={delay!r} is neither a timedelta nor a number of milliseconds."
        raise UsageError(message)
    return int(delay)
