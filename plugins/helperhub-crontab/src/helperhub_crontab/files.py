"""Which crontab files there are, in which format, and whether they may be trusted."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from helperhub_crontab.parse import Problem
from helperhub_crontab.settings import Format

#: Debian's cron refuses files over 10,000 lines; ours come to about that.
MAX_FILE_BYTES = 1_048_576
#: Where crontab(1) keeps the crontabs of users, each named after its user.
SPOOLS = frozenset(Path(path) for path in ("/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron"))
#: run-parts(8) and cron(8): other names belong to package managers and editors.
_DROP_IN_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class CrontabFile:
    """A crontab file that was read.

    Args:
        path: Where it is.
        content: Its bytes.
        system: Whether its lines name a user.
        owner: The user whose crontab it is, when its place says so.
    """

    path: str
    content: bytes
    system: bool
    owner: str | None = None


def read_crontabs(
    paths: Iterable[Path], file_format: Format, *, uid: int, spools: frozenset[Path] = SPOOLS
) -> Iterator[CrontabFile | Problem]:
    """Yield every file that ``paths`` name, or what keeps it from being adopted. Never raises.

    Args:
        paths: Files and directories.
        file_format: How files are written, for all of them unless it is ``auto``.
        uid: The user id this process runs as; root trusts fewer files.
        spools: Directories of users' crontabs.
    """
    seen: set[Path] = set()
    for found in _expand(paths, spools):
        if isinstance(found, Problem):
            yield found
        elif found.path in seen:
            yield Problem(str(found.path), 0, "Named twice, adopted once.", "Name it once.", adopted=True)
        else:
            seen.add(found.path)
            yield _read(found, file_format, uid=uid)


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    in_directory: bool
    in_spool: bool


def _expand(paths: Iterable[Path], spools: frozenset[Path]) -> Iterator[_Found | Problem]:
    for given in paths:
        try:
            path = given.expanduser().absolute()
            names = sorted(os.listdir(path)) if path.is_dir() else None  # noqa: PTH208 - names only
        except (OSError, RuntimeError, ValueError) as error:
            yield Problem(str(given), 0, f"Not adopted: {error}.", "Correct HELPERHUB_CRONTAB__FILES or the rights.")
            continue
        if names is None:
            yield _Found(path, in_directory=False, in_spool=path.parent in spools)
            continue
        for name in names:
            if path in spools or _DROP_IN_NAME.fullmatch(name):
                yield _Found(path / name, in_directory=True, in_spool=path in spools)
            elif name != ".placeholder":  # Debian's packages keep empty directories by it
                what = "Not adopted: cron, too, passes over names with other characters than letters, digits, _ and -."
                yield Problem(str(path / name), 0, what, "Rename the file, or name it in HELPERHUB_CRONTAB__FILES.")


def _read(found: _Found, file_format: Format, *, uid: int) -> CrontabFile | Problem:
    path = str(found.path)
    try:
        # O_NONBLOCK: a named pipe must not hold up the start.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            reason = _distrust(os.fstat(file.fileno()), uid=uid, in_spool=found.in_spool)
            if reason:
                return Problem(path, 0, f"Not adopted: {reason[0]}", reason[1])
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Problem(path, 0, f"Not adopted: {text}.", "Correct HELPERHUB_CRONTAB__FILES or the file's rights.")
    if len(content) > MAX_FILE_BYTES:
        what = f"Not adopted: the file has more than {MAX_FILE_BYTES} bytes. Cron ends at 10,000 lines."
        return Problem(path, 0, what, "Part it into several files.")
    return CrontabFile(path, content, _is_system(found, file_format), found.path.name if found.in_spool else None)


def _distrust(status: os.stat_result, *, uid: int, in_spool: bool) -> tuple[str, str] | None:
    """Return why a file's commands must not be run, or None.

    Who can write a crontab can run commands as the one who adopts it. cron(8) asks the same of its
    files: owned by root and not writable by group or others.
    """
    if not stat.S_ISREG(status.st_mode):
        return "it isn't a regular file.", "Name a file or a directory."
    if status.st_mode & stat.S_IWOTH or (uid == 0 and status.st_mode & stat.S_IWGRP):
        return (
            f"its mode {stat.S_IMODE(status.st_mode):o} lets others write it, and so run commands.",
            "Run 'chmod go-w' on it.",
        )
    if uid == 0 and status.st_uid != 0 and not in_spool:
        return (
            f"it belongs to user id {status.st_uid}, who could run commands as root by it.",
            "Run 'chown root' on it, or HelperHub as its owner.",
        )
    return None


def _is_system(found: _Found, file_format: Format) -> bool:
    if file_format is not Format.AUTO:
        return file_format is Format.SYSTEM
    if found.in_spool:
        return False
    return found.in_directory or found.path == Path("/etc/crontab") or found.path.parent.name == "cron.d"
