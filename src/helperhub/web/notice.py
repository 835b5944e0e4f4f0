"""What a change is answered with: a word about what was done, a way back, and that the page is to be asked for anew.

`done` stays on the page, and `lead_to` goes to another one, which then shows the word.
"""

from __future__ import annotations

import json
from typing import TypeVar

from fastapi import Request, Response

Answer = TypeVar("Answer", bound=Response)


def done(text: str, *, undo: str = "", also: str = "", shown: Response | None = None) -> Response:
    """Return the answer to a change: says so, and has the page's live parts ask again (``renew``).

    Args:
        text: What was done, for people.
        undo: Path that a POST to makes it undone; empty if nothing does.
        also: Another event that is raised in the page.
        shown: What is put where the form says; nothing closes the dialog ``#ask``, if that is where.
    """
    found = Response(media_type="text/html") if shown is None else shown
    return _trigger(found, {"notice": {"text": text, "undo": undo}, "renew": "", **({also: ""} if also else {})})


def lead_to(request: Request, path: str, *, text: str = "", undo: str = "", code: int = 204) -> Response:
    """Return an answer that has the browser go to a page below ``/ui/``, and show a text there.

    Args:
        request: Answered.
        path: The page's, such as ``timeline``.
        text: What was done, for people; empty if the page itself says it.
        undo: As with `done`.
        code: The HTTP status; htmx goes there with any.
    """
    root = request.scope.get("root_path", "")
    found = Response(status_code=code, headers={"HX-Redirect": f"{root}/ui/{path}"})
    return _trigger(found, {"notice": {"text": text, "undo": undo, "there": True}}) if text else found


def refused(answer: Answer, text: str) -> Answer:
    """Return an answer to a change that wasn't made, saying why."""
    return _trigger(answer, {"notice": {"text": text, "undo": ""}})


def _trigger(answer: Answer, events: dict[str, object]) -> Answer:
    # In ASCII: a header takes nothing else.
    answer.headers["HX-Trigger"] = json.dumps(events)
    return answer


__all__ = ["done", "lead_to", "refused"]
