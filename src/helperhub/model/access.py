"""Who does something, and what he may do: scopes, and the helpers and queues that they are narrowed to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from helperhub.model.helper import split_key


class Scope(StrEnum):
    """What a key may do; see `Principal.may`."""

    READ = "read"
    RUN = "run"
    MANAGE = "manage"
    ADMIN = "admin"


#: What each scope allows. Starting work and reading what others started are apart: a key in a build
#: server that starts a helper needn't read anybody's payloads.
_ALLOWS = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.RUN: frozenset({Scope.RUN}),
    Scope.MANAGE: frozenset({Scope.READ, Scope.RUN, Scope.MANAGE}),
    Scope.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks for something, as the audit names him.

    Args:
        name: ``key:<id>``, ``person:<user>@<host>``, ``plugin:<name>``, ``webhook:<id>`` or ``system``.
        scopes: What he may do.
        helpers: Only these, each with all its instances; empty means every helper.
        queues: Only executions of these; empty means every queue.
        note: A word for people: the key's name.
    """

    name: str
    scopes: frozenset[Scope] = frozenset()
    helpers: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    note: str = ""

    @property
    def is_narrowed(self) -> bool:
        """Whether he may touch some helpers or queues only, and so nothing that is of the whole hub."""
        return bool(self.helpers or self.queues)

    def may(self, scope: Scope) -> bool:
        """Return whether ``scope`` is among what his scopes allow.

        ``admin`` allows all, ``manage`` also ``read`` and ``run``; these two allow themselves only.
        """
        return any(scope in _ALLOWS[own] for own in self.scopes)

    def sees(self, helper: str, queue: str) -> bool:
        """Return whether ``helper[/instance]`` in ``queue`` is within what he is narrowed to."""
        if self.helpers and helper not in self.helpers and split_key(helper)[0] not in self.helpers:
            return False
        return not self.queues or queue in self.queues


#: The hub itself: schedulers, worker processes, code that enqueues.
SYSTEM = Principal("system", frozenset(Scope))
#: Whoever asks without a key where reads are open.
NOBODY = Principal("nobody", frozenset({Scope.READ}))
