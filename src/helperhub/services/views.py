"""Searches of executions that somebody has saved under a name.

Each is its owner's: the person's or key's that a request or session is of. To share one is to send its
address, which is the search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helperhub.errors import Conflict, NotFound, Unauthenticated, UsageError
from helperhub.model.access import NOBODY
from helperhub.services.audit import acting
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.store.views import Views as Store

MOST_VIEWS = 50
#: Characters of a name.
MOST_NAME = 60


@dataclass(frozen=True, slots=True)
class View:
    """A saved search.

    Args:
        name: What it is called.
        query: The search, in words.
    """

    name: str
    query: str

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {"name": self.name, "query": self.query}


@dataclass(frozen=True, slots=True)
class Views:
    """Use cases around saved searches of whoever acts.

    Args:
        store: Where they are.
        read_query: Understands a search, or raises `UsageError`.
    """

    store: Store
    read_query: Callable[[str], ExecutionFilter]

    def all(self) -> list[View]:
        """Return one's own, by name.

        Raises:
            StoreError: Redis can't be asked.
        """
        if acting() == NOBODY:
            return []
        found = self.store.all(acting().name)
        return [View(name, found[name]) for name in sorted(found, key=str.casefold)]

    def save(self, name: str, query: str) -> View:
        """Save a search, in the place of the one that has this name if there is one.

        Raises:
            UsageError: The search can't be understood or is empty, or the name isn't one.
            Conflict: There are `MOST_VIEWS` already.
            Unauthenticated: Nobody knows who asks.
            StoreError: Redis can't take it.
        """
        view = View(_check_name(name), query.strip())
        if not view.query:
            message = "There is no search to save."
            raise UsageError(message, hint="Search for something first, such as status:error since:24h.")
        self.read_query(view.query)
        if self.store.save(_owner(), "", view.name, view.query, most=MOST_VIEWS) == 0:
            message = f"{MOST_VIEWS} searches are saved: more can't be."
            raise Conflict(message, hint="Delete one that isn't needed any more.")
        return view

    def rename(self, name: str, new: str) -> View:
        """Give a saved search another name; return it.

        Raises:
            UsageError: The new name isn't one.
            NotFound: None has the old one.
            Conflict: Another has the new one.
            Unauthenticated: Nobody knows who asks.
            StoreError: Redis can't take it.
        """
        new = _check_name(new)
        code = self.store.save(_owner(), name, new, "", most=MOST_VIEWS)
        if code == -1:
            raise _unknown(name)
        if code == -2:
            message = f"Another search is saved as '{new}'."
            raise Conflict(message, hint="Take another name, or delete that one.")
        found = next((one for one in self.all() if one.name == new), None)
        if found is None:  # somebody has deleted it since
            raise _unknown(new)
        return found

    def delete(self, name: str) -> None:
        """Forget a saved search.

        Raises:
            NotFound: None has that name.
            Unauthenticated: Nobody knows who asks.
            StoreError: Redis can't be asked.
        """
        if not self.store.drop(_owner(), name):
            raise _unknown(name)


def _owner() -> str:
    who = acting()
    if who == NOBODY:
        message = "Saved searches are somebody's: this needs a key."
        raise Unauthenticated(message, hint="Send one as 'Authorization: Bearer hh_...'.")
    return who.name


def _check_name(name: str) -> str:
    found = name.strip()
    if not found or len(found) > MOST_NAME or "/" in found or not found.isprintable():
        message = f"'{found[:MOST_NAME]}' can't be a name." if found else "It needs a name."
        raise UsageError(message, hint=f"Take 1 to {MOST_NAME} characters without '/'.")
    return found


def _unknown(name: str) -> NotFound:
    return NotFound(f"No search is saved as '{name[:MOST_NAME]}'.", hint="It may have been renamed or deleted.")


__all__ = ["MOST_NAME", "MOST_VIEWS", "View", "Views"]
