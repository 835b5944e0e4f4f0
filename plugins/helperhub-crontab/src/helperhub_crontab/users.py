"""Users of this machine, and which of them a command may run as."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Somebody a command may run as.

    Args:
        name: Login name.
        uid: User id.
        gid: Primary group's id.
        home: Home directory.
    """

    name: str
    uid: int
    gid: int
    home: str


def current_user() -> User:
    """Return who this process runs as; containers often run as an id without a name."""
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return User(str(uid), uid, os.getegid(), "/")
    return User(entry.pw_name, uid, os.getegid(), entry.pw_dir)


def find_user(name: str) -> User | None:
    """Return the user called ``name``, or None."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):  # ValueError: a NUL, or characters no name may have
        return None
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def refuse_user(name: str, current: User) -> tuple[str, str] | None:
    """Return why a command can't run as ``name``, and what to do; None if it can.

    Args:
        name: The user a crontab names.
        current: Who this process runs as; only root may become somebody else.
    """
    wanted = find_user(name)
    if name == current.name or (wanted is not None and wanted.uid == current.uid):
        return None
    if wanted is None:
        return f"no user is named {name!r} here.", "Create the user, or name another."
    if current.uid != 0:
        return (
            f"its user is {name!r}, HelperHub runs as {current.name!r}, and only root may run commands as others.",
            f"Run a HelperHub as {name!r} or as root for it.",
        )
    return None
