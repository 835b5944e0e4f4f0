"""How a schedule is refused: who has which value, why that can't be, and what to write instead."""

from __future__ import annotations

from helperhub.errors import InvalidSchedule

#: What a message calls a schedule whose name and place the caller didn't give.
UNNAMED = "Schedule"


def build_refusal(subject: str, key: str, value: object, why: str, *, hint: str = "") -> InvalidSchedule:
    """Return the error for one wrong value.

    Args:
        subject: Whose value it is, such as ``Schedule 'backup' in plugin helperhub-backup 1.2``.
        key: The value's name in the dict of the HTTP API, in words.
        value: What was given.
        why: What is wrong with the value, without a full stop.
        hint: What to write instead, as a sentence.
    """
    return InvalidSchedule(f"{subject} has {key} '{value}': {why}.", hint=hint)
