"""A crontab line's name: one that people recognise and that stays while the line stands."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from helperhub_crontab.parse import CronLine

#: Leaves room for a hash and a count within the 80 characters of an instance's name.
_MAX_BASE = 60
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s;&|"'])+|[;&|]+|["']""")
#: Options, redirections, brackets, assignments, and numbers such as those of ``nice -n 10``.
_DECORATION = re.compile(r"[-<>(){}!]|\d*[<>]|\d+(?:\.\d+)?[smhd]?$|[A-Za-z_]\w*=")
#: Commands that only prepare for the one people think of.
_PRELUDES = frozenset({"cd", "test", "[", "[[", ":", "true", ".", "source", "export", "sleep", "umask", "set", "if"})
#: Commands whose argument is the one people think of.
_WRAPPERS = frozenset(
    {
        "bash",
        "chronic",
        "command",
        "dash",
        "env",
        "exec",
        "ionice",
        "ksh",
        "nice",
        "node",
        "nohup",
        "perl",
        "php",
        "python",
        "python3",
        "ruby",
        "sh",
        "sudo",
        "then",
        "time",
        "timeout",
        "zsh",
    }
)


def program_name(command: str) -> str:
    """Return what people call the command: the base name of its program or script.

    ``cd /srv && nice -n 10 /opt/backup.sh --all`` is ``backup.sh``.
    """
    words = (match.group() for match in _WORD.finditer(command[:4096]))
    fallback = ""
    skipping = False
    for word in words:
        name: str = word.strip("\"'").rstrip("/").rpartition("/")[2]
        if word[0] in ";&|":
            skipping = False
            continue
        if skipping or not name or _DECORATION.match(word):
            continue
        fallback = fallback or name
        if name in _PRELUDES:
            skipping = True
        elif name not in _WRAPPERS:
            return name
    return fallback or "line"


def name_lines(lines: Iterable[CronLine]) -> list[tuple[str, CronLine]]:
    """Return every line with its instance name.

    A name that several lines would have is given to none of them: each adds six digits of its own
    hash, so that where a line stands, and what stands around it, decides nothing.
    """
    with_bases = [(_base_name(line.command), line) for line in lines]
    shared = Counter(base for base, _ in with_bases)
    taken: Counter[str] = Counter()
    named = []
    for base, line in with_bases:
        name = base if shared[base] == 1 else f"{base}-{_fingerprint(line)}"
        taken[name] += 1
        # Only lines that are equal in one file come here twice, and those are interchangeable.
        named.append((name if taken[name] == 1 else f"{name}-{taken[name]}", line))
    return named


def _base_name(command: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", program_name(command)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", ascii_name)[:_MAX_BASE].strip("-").lower() or "line"


def _fingerprint(line: CronLine) -> str:
    return hashlib.sha256(f"{line.path}\0{line.text}".encode()).hexdigest()[:6]
