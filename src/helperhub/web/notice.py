"""What a change is answered with: a word about what was done, a way back, and that the page is to be asked for anew."""

from __future__ import annotations

import json

from fastapi import Response


def tell(text: str, *, undo: str = "", events: tuple[str, ...] = ("renew",)) -> dict[str, str]:
    """Return the headers that let a page's script show a text.

    Args:
        text: For people.
        undo: Path that a POST to makes it undone; empty if nothing does.
        events: Also raised in the page; ``renew`` is what its live parts wait for.
    """
    # In ASCII: a header takes nothing else.
    return {"HX-Trigger": json.dumps({"notice": {"text": text, "undo": undo}, **dict.fromkeys(events, "")})}


def answer_done(text: str, *, undo: str = "", events: tuple[str, ...] = ("renew",)) -> Response:
    """Return the answer to a change that shows nothing but a notice; see `tell`."""
    return Response(status_code=204, headers=tell(text, undo=undo, events=events))
