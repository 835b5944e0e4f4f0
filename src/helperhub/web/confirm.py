"""Asking before something is done: how much of what it is, and for the key once more where that is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fastapi import Request, Response

from helperhub.errors import HelperHubError, StoreError, Unauthenticated
from helperhub.hub import Hub
from helperhub.web.render import Pages

#: The field in which the key is shown once more.
KEY_FIELD = "confirm_key"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a question.

    Args:
        name: In the form.
        label: For people.
        value: What is in it at first.
        hint: What can be written there.
        kind: ``text``, ``area``, ``checkbox``, or ``select``.
        choices: Of a ``select``: value and words.
        required: Whether it must have something.
    """

    name: str
    label: str
    value: str = ""
    hint: str = ""
    kind: str = "text"
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked before something is done; shown in the dialog ``#ask``.

    Args:
        title: What is to be done.
        text: How much of what it is, and whether it can be undone.
        action: Where the answer goes, below ``/ui/``.
        button: What the button says: the deed itself.
        values: Sent along.
        fields: Asked.
        danger: Whether something is lost by it.
        key: Whether the person must have shown his key lately, and is asked for it if he hasn't.
    """

    title: str
    text: str
    action: str
    button: str
    values: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()
    danger: bool = False
    key: bool = False


def ask(
    pages: Pages, request: Request, question: Question, *, problem: str = "", filled: Mapping[str, str] | None = None
) -> Response:
    """Return the question as the content of ``#ask``.

    Args:
        pages: Makes it.
        request: Answered.
        question: Asked.
        problem: What was wrong with the answer before.
        filled: What that answer had in its fields.
    """
    needs_key = question.key and not request.state.session.confirmed
    shown = {"question": question, "problem": problem, "needs_key": needs_key, "filled": filled or {}}
    return pages.part(request, "ask.html", key_field=KEY_FIELD, **shown)


def check_confirmed(hub: Hub, request: Request, form: Mapping[str, str]) -> None:
    """Let those pass who have shown their key lately, or show it with this form.

    Raises:
        Unauthenticated: It isn't the session's key, or none is shown.
        StoreError: Redis can't be asked.
    """
    session = request.state.session
    if session.confirmed:
        return
    key = form.get(KEY_FIELD, "")[:200].strip()
    if not key:
        message = "This needs your key once more."
        raise Unauthenticated(message, hint="Show the key that you signed in with.")
    hub.sessions.confirm(session, key)
    request.state.session = replace(session, confirmed=True)


def act(
    hub: Hub,
    pages: Pages,
    request: Request,
    form: Mapping[str, str],
    question: Question,
    deed: Callable[[], Response],
) -> Response:
    """Do what was asked about, or ask once more, saying what is wrong with the answer.

    Args:
        hub: Knows the session.
        pages: Makes the question.
        request: Answered.
        form: The answer.
        question: What was asked.
        deed: Does it.

    Raises:
        StoreError: Redis is away.
    """
    try:
        if question.key:
            check_confirmed(hub, request, form)
        return deed()
    except StoreError:
        raise
    except HelperHubError as error:
        return ask(pages, request, question, problem=problem_of(error), filled=form)


def problem_of(error: HelperHubError) -> str:
    """Return an error as a question shows it."""
    return f"{error.message} {error.hint}".strip()


__all__ = ["KEY_FIELD", "Field", "Question", "act", "ask", "check_confirmed", "problem_of"]
