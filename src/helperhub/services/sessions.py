"""People in front of the dashboard: signing in with an API key or a link, and out; what their session may do."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from helperhub.errors import SignInNeeded, Unauthenticated
from helperhub.model.access import Principal, Scope
from helperhub.model.duration import to_ms
from helperhub.model.instant import epoch_ms
from helperhub.services.api_keys import ApiKeys, id_of
from helperhub.services.audit import Audit, acting_as
from helperhub.store.sessions import Sessions as Store

#: A link that signs in is good for so long, and once.
LINK_LIFETIME = timedelta(minutes=10)
#: What is asked for once more before what can't be undone counts for so long.
CONFIRMED_FOR = timedelta(minutes=10)
#: A use is noted once in so long, ms: every page would be a write.
_NOTE_MS = 30_000


@dataclass(frozen=True, slots=True)
class Session:
    """One person's session.

    Args:
        token: What the browser shows.
        caller: Who it is, and what he may do.
        csrf: What every change must show beside the token, so that no other site can ask for it.
        confirmed: Whether he has shown his key within `CONFIRMED_FOR`.
    """

    token: str
    caller: Principal
    csrf: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Sessions:
    """Use cases around sessions.

    Args:
        store: Where they are.
        keys: Checks keys; a session ends with its key.
        audit: Where signing in is noted.
        now: Redis TIME.
        idle: A session ends when nothing was asked for so long.
        most: And at last after so long.
    """

    store: Store
    keys: ApiKeys
    audit: Audit
    now: Callable[[], datetime]
    idle: timedelta
    most: timedelta

    def sign_in(self, key: str) -> Session:
        """Begin a session with an API key.

        Raises:
            Unauthenticated: It isn't a key of this hub, or has expired.
            StoreError: Redis can't be asked.
        """
        caller = self.keys.check(key)
        return self._begin(caller, {"key": id_of(key)})

    def make_link(self, person: str) -> str:
        """Return a token that signs in once, as an admin, within `LINK_LIFETIME`.

        Args:
            person: Whom the audit is to name: ``person:<user>@<host>``.

        Raises:
            StoreError: Redis can't take it.
        """
        token = secrets.token_urlsafe(32)
        self.store.put_link(token, {"person": person}, ttl_ms=to_ms(LINK_LIFETIME))
        return token

    def redeem(self, token: str) -> Session:
        """Begin a session with a link's token, which is worth nothing afterwards.

        Raises:
            Unauthenticated: It was used before, is too old, or never was one.
            StoreError: Redis can't be asked.
        """
        found = self.store.take_link(token)
        if found is None:
            message = "This link has been used, or is older than 10 minutes."
            raise Unauthenticated(message, hint="Sign in with an API key: 'helperhub keys create' makes one.")
        person = str(found.get("person", ""))
        return self._begin(_admin(person), {"person": person})

    def find(self, token: str) -> Session:
        """Return a session, which lives on by that.

        Raises:
            SignInNeeded: It has ended, or its key has.
            StoreError: Redis can't be asked.
        """
        content = self.store.get(token) if token else None
        if content is None:
            message = "Your session has ended." if token else "You aren't signed in."
            raise SignInNeeded(message, hint="Sign in with an API key.")
        now_ms = epoch_ms(self.now())
        caller = self._caller(token, content)
        if now_ms - int(content.get("seen_ms", 0)) > _NOTE_MS:
            self._put(token, {**content, "seen_ms": now_ms}, now_ms)
        confirmed = now_ms - int(content.get("confirmed_ms", 0)) < to_ms(CONFIRMED_FOR)
        return Session(token, caller, str(content["csrf"]), confirmed)

    def confirm(self, session: Session, key: str) -> None:
        """Note that he has shown his key once more.

        Raises:
            Unauthenticated: It isn't the session's key, or an admin's where the session began with a link.
            StoreError: Redis can't be asked.
        """
        caller = self.keys.check(key)
        content = self.store.get(session.token)
        same = content is not None and content.get("key") in (id_of(key), None)
        if content is None or not same or (content.get("key") is None and not caller.may(Scope.ADMIN)):
            message = "That isn't the key that this session began with."
            raise Unauthenticated(message, hint="Show the key that you signed in with.")
        now_ms = epoch_ms(self.now())
        self._put(session.token, {**content, "confirmed_ms": now_ms}, now_ms)

    def sign_out(self, session: Session) -> None:
        """End a session.

        Raises:
            StoreError: Redis can't be asked.
        """
        self.store.drop(session.token)
        self.audit.note("session.end", session.caller.name)

    def _begin(self, caller: Principal, content: dict[str, Any]) -> Session:
        token, csrf, now_ms = secrets.token_urlsafe(32), secrets.token_urlsafe(16), epoch_ms(self.now())
        begun = {**content, "csrf": csrf, "begun_ms": now_ms, "seen_ms": now_ms, "confirmed_ms": now_ms}
        self._put(token, begun, now_ms)
        with acting_as(caller):
            self.audit.note("session.begin", caller.name)
        return Session(token, caller, csrf, confirmed=True)

    def _put(self, token: str, content: dict[str, Any], now_ms: int) -> None:
        left_ms = int(content["begun_ms"]) + to_ms(self.most) - now_ms
        self.store.put(token, content, ttl_ms=min(to_ms(self.idle), left_ms))

    def _caller(self, token: str, content: dict[str, Any]) -> Principal:
        if "person" in content:
            return _admin(str(content["person"]))
        try:
            return self.keys.principal(str(content.get("key", "")))
        except Unauthenticated as error:
            self.store.drop(token)
            raise SignInNeeded(error.message, hint=error.hint) from error


def _admin(person: str) -> Principal:
    return Principal(person, frozenset(Scope), note=person.removeprefix("person:"))


__all__ = ["CONFIRMED_FOR", "LINK_LIFETIME", "Session", "Sessions"]
