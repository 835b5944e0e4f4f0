"""Dramatiq's options, of messages and of actors: checked where they are written, not where they would break a worker.

The page "Dramatiq on HelperHub" of the reference lists them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NoReturn

from dramatiq import Actor, Message

from helperhub.errors import InvalidHelper, UsageError
from helperhub.model.callback_url import parse_callback_url
from helperhub.model.execution import Trigger
from helperhub.model.retry import RetryPolicy
from helperhub.store.record import Record

#: Options that name an actor.
ACTOR_NAMES = ("on_success", "on_failure", "on_retry_exhausted")
#: Numbers of milliseconds, 0 or more.
_MILLISECONDS = ("min_backoff", "max_backoff", "time_limit", "max_age", "result_ttl")
#: What can only stand on an actor: a class or a function isn't JSON, and anything else would break the worker thread.
_ACTORS_ONLY = ("throws", "retry_when", "retry_policy")
#: What Dramatiq's worker and Retries write into a message; here it is in the record.
BOOKKEEPING = ("retries", "traceback", "requeue_timestamp")

#: What most messages have at most: nothing else is looked at then.
_HARMLESS = frozenset({"trigger", "traceparent"})
_TRIGGERS = frozenset({None, *Trigger})

_Refuse = Callable[[str, str], NoReturn]


def check_message_options(message: Message[Any]) -> None:
    """Refuse options of ``message``, and of those that are to follow it, that would fail later.

    Raises:
        UsageError: One can't be used.
    """
    options = message.options
    if not options.keys() <= _HARMLESS or options.get("trigger") not in _TRIGGERS:
        _check_message_options(message, options)


def _check_message_options(message: Message[Any], options: Mapping[str, Any]) -> None:
    def refuse(what: str, hint: str) -> NoReturn:
        text = f"A message for '{message.actor_name}' has {what}."
        raise UsageError(text, hint=hint)

    _check_numbers(options, refuse, endless=False)
    for name in ACTOR_NAMES:
        if not isinstance(options.get(name), str | None):
            refuse(f"{name}={options[name]!r}", "Take an actor's name.")
    for name in _ACTORS_ONLY:
        if options.get(name) is not None:
            refuse(f"the option {name}", f"Give it to the actor: @dramatiq.actor({name}=...).")
    if options.get("eta") is not None:
        refuse("the option eta", "Delays are kept in Redis: send_with_options(delay=...).")
    _check_own(options, refuse)
    target = options.get("pipe_target")
    for follower in [target] if target is not None else []:
        check_message_options(_read_message(follower, "pipe_target", refuse))
    callbacks = options.get("group_completion_callbacks") or []
    if not isinstance(callbacks, list | tuple):
        refuse(f"group_completion_callbacks={callbacks!r}", "Use group.add_completion_callback(message).")
    for follower in callbacks:
        check_message_options(_read_message(follower, "group_completion_callbacks", refuse))


def usable_options(options: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """Return a claimed message's options as Dramatiq's worker may see them.

    Without what would hold the message in the worker's memory (``eta``) or end its thread (``throws``
    that is no class), and with what Dramatiq's Retries leaves on a message that was tried before.
    """
    usable = {name: value for name, value in options.items() if name not in _ACTORS_ONLY and name != "eta"}
    if record.attempt > 1:
        usable["retries"] = record.attempt - 1
        usable["requeue_timestamp"] = record.due_ms
    return usable


def check_actor(actor: Actor[..., Any]) -> None:
    """Refuse an actor whose options would fail later, and bring them into one form.

    ``throws`` becomes a tuple, and a callback that is given as an actor its name.

    Raises:
        InvalidHelper: Name or option can't be used.
    """
    name, options = actor.actor_name, actor.options

    def refuse(what: str, hint: str) -> NoReturn:
        text = f"Actor '{name}' has {what}."
        raise InvalidHelper(text, hint=hint)

    if any(sign in name for sign in "/#@ "):
        text = f"Actor '{name}' can't be named so: / # @ and blanks part an execution's id."
        raise InvalidHelper(text, hint="Give it another actor_name.")
    if not isinstance(actor.priority, int):
        refuse(f"priority={actor.priority!r}", "Take a whole number: lower runs first, 0 is the usual.")
    _check_numbers(options, refuse, endless=True)
    options["throws"] = _read_throws(options.get("throws"), refuse)
    if not options["throws"]:
        del options["throws"]
    if options.get("retry_when") is not None and not callable(options["retry_when"]):
        refuse(f"retry_when={options['retry_when']!r}", "Take a function of the retries so far and the exception.")
    if not isinstance(options.get("retry_policy"), RetryPolicy | None):
        refuse(f"retry_policy={options['retry_policy']!r}", "Take a helperhub.RetryPolicy.")
    for callback in ACTOR_NAMES:
        target = options.get(callback)
        if target is not None and not isinstance(target, str):
            options[callback] = _name_of(target)
            if options[callback] is None:
                refuse(f"{callback}={target!r}", "Take an actor, or its name.")


def check_result_ttl(actor: Actor[..., Any], *, kept: timedelta) -> None:
    """Refuse an actor that asks for its results to be kept longer than its queue keeps them.

    Raises:
        InvalidHelper: ``result_ttl`` is longer than ``kept``.
    """
    ttl = actor.options.get("result_ttl")
    if ttl is not None and ttl > kept / timedelta(milliseconds=1):
        text = f"Actor '{actor.actor_name}' has result_ttl={ttl}; queue '{actor.queue_name}' keeps results for {kept}."
        raise InvalidHelper(text, hint=f"Raise HELPERHUB_QUEUES__{actor.queue_name.upper()}__RESULT_TTL.")


def _check_numbers(options: Mapping[str, Any], refuse: _Refuse, *, endless: bool) -> None:
    retries = options.get("max_retries")
    if retries is not None and (isinstance(retries, bool) or not isinstance(retries, int) or retries < 0):
        refuse(f"max_retries={retries!r}", "Take 0 or more, or None for no end.")
    for name in _MILLISECONDS:
        value = options.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < 0:
            refuse(f"{name}={value!r}", "Take milliseconds, 0 or more.")
        if math.isinf(value) and not (endless and name == "time_limit"):
            refuse(f"{name}={value!r}", "Leave it out where there is to be no bound.")


def _check_own(options: Mapping[str, Any], refuse: _Refuse) -> None:
    trigger = options.get("trigger")
    if trigger not in _TRIGGERS:
        refuse(f"trigger={trigger!r}", f"Take one of {', '.join(Trigger)}.")
    metadata = options.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        refuse(f"metadata={metadata!r}", "Take a dict.")
    if options.get("callback") is not None:
        parse_callback_url(options["callback"])
    for name in ("instance", "replay_of"):
        if not isinstance(options.get(name), str | None):
            refuse(f"{name}={options[name]!r}", "Take a text.")


def _read_message(fields: Any, where: str, refuse: _Refuse) -> Any:
    try:
        message: Any = Message(**fields)
    except TypeError as error:
        refuse(f"a {where} that is no message: {error}", "Take message.asdict(), or compose with | and pipeline().")
    texts = (message.queue_name, message.actor_name, message.message_id)
    if not all(isinstance(text, str) and text for text in texts):
        refuse(f"a {where} whose queue, actor or id is no text", "Take message.asdict().")
    if not isinstance(message.kwargs, Mapping) or not isinstance(message.options, Mapping):
        refuse(f"a {where} whose kwargs or options are no dict", "Take message.asdict().")
    return message


def _read_throws(throws: Any, refuse: _Refuse) -> tuple[type[BaseException], ...]:
    if not throws:
        return ()
    found: list[type[BaseException]] = []
    for one in throws if isinstance(throws, tuple | list | set | frozenset) else (throws,):
        if isinstance(one, tuple):
            found += _read_throws(one, refuse)
        elif isinstance(one, type) and issubclass(one, BaseException):
            found.append(one)
        else:
            refuse(f"throws={throws!r}", "Take an exception class, or a tuple of them.")
    return tuple(found)


def _name_of(target: Any) -> str | None:
    name = getattr(target, "actor_name", None)
    return name if isinstance(name, str) else None
