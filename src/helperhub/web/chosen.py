"""What was chosen in a list, before something is done to it: which executions, and how many of what kind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping

from helperhub.api.routes.executions import MOST_IDS
from helperhub.errors import UsageError
from helperhub.model.execution import Execution

#: Fields of a form that choose a row begin so; the id follows.
CHOSEN = "id:"
_MOST_KINDS = 6


def chosen_in(form: Mapping[str, str]) -> list[str]:
    """Return the ids of the rows that were chosen in a list."""
    return [name.removeprefix(CHOSEN) for name in form if name.startswith(CHOSEN)]


def read_ids(form: Mapping[str, str]) -> list[str]:
    """Return the ids that a confirmation has asked about.

    Raises:
        UsageError: There are none, or too many.
    """
    try:
        found = json.loads(form.get("ids", ""))
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_IDS or not all(isinstance(one, str) for one in found):
        message = "Which executions?"
        raise UsageError(message, hint="Choose some, and confirm.")
    return found


def count_kinds(executions: Iterable[Execution]) -> list[str]:
    """Return what there is how often, such as ``12 weather (error)``: the most frequent first."""
    counted = Counter(f"{one.helper} ({one.status.value})" for one in executions)
    shown = [f"{number:,} {kind}" for kind, number in counted.most_common(_MOST_KINDS)]
    left = sum(counted.values()) - sum(number for _, number in counted.most_common(_MOST_KINDS))
    return [*shown, f"{left:,} more"] if left else shown


def in_words(number: int, noun: str = "execution") -> str:
    """Return ``1 execution`` or ``1,200 executions``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


__all__ = ["CHOSEN", "chosen_in", "count_kinds", "in_words", "read_ids"]
