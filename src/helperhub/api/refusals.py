"""Who was refused, for the log: wrong keys, too few scopes, too many requests, what a narrowed key may not see."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request

from helperhub import errors
from helperhub.api.throttle import neighbours_of
from helperhub.errors import HelperHubError

_log = logging.getLogger("helperhub.api")
#: Before the path of a route that was included under it, which doesn't know that.
_VERSIONED = "/api/v1"
_WINDOW_S = 60.0
#: Refusals of one address that are told one by one, a minute; then their number is.
_TOLD = 30
#: Addresses that are remembered.
_MOST = 10_000
_REFUSALS = (errors.Unauthenticated, errors.Forbidden, errors.TooMany)


class Refusals:
    """Tells each refusal, and of a flood from one address its size only: the log isn't to be filled from outside.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with none."""
        self._clock = clock
        self._lock = threading.Lock()
        #: When each address's minute began, how many were told in it, and how many weren't.
        self._seen: OrderedDict[str, tuple[float, int, int]] = OrderedDict()

    def note(self, request: Request, error: HelperHubError) -> None:
        """Tell that ``request`` was answered with ``error``, if that is a refusal."""
        caller = getattr(request.state, "caller", None)
        # What a narrowed key isn't shown and what isn't there look alike, on purpose.
        unseen = isinstance(error, errors.NotFound) and caller is not None and caller.is_narrowed
        if not unseen and not isinstance(error, _REFUSALS):
            return
        left_out = self._count(neighbours_of(_address_of(request)))
        if left_out is None:
            return
        fields = told_of(request) | {"reason": error.code}
        _log.warning("access_refused", extra=fields | ({"left_out": left_out} if left_out else {}))

    def _count(self, name: str) -> int | None:
        """Return how many weren't told before this one, or None if it isn't to be told either."""
        now = self._clock()
        with self._lock:
            began, told, left_out = self._seen.pop(name, (now, 0, 0))
            if now - began >= _WINDOW_S:
                began, told = now, 0
            tells = told < _TOLD
            self._seen[name] = (began, told + 1, 0) if tells else (began, told, left_out + 1)
            if len(self._seen) > _MOST:
                self._seen.popitem(last=False)
        return left_out if tells else None


def told_of(request: Request) -> dict[str, Any]:
    """Return who asks, from where and for what: the route as it is declared, never what was sent."""
    caller = getattr(request.state, "caller", None)
    shown = getattr(request.state, "shown_id", "")
    return {
        "who": caller.name if caller is not None else f"key:{shown}?" if shown else "",
        "address": _address_of(request),
        "method": request.method,
        "route": route_of(request.scope),
    }


def route_of(scope: Mapping[str, Any]) -> str:
    """Return the route of a request as it is declared; empty where none took it."""
    route = getattr(scope.get("route"), "path", "")
    root = scope.get("root_path", "")
    prefix = _VERSIONED if route and str(scope["path"]).startswith(f"{root}{_VERSIONED}/") else ""
    return f"{prefix}{route}"


def _address_of(request: Request) -> str:
    return request.client.host if request.client else ""
