"""Rules for Redis users: one a role, with the commands and keys that the role needs and no others.

Redis checks the caller's rules for every command inside a script too, so what a user may not touch, no
script touches for it. The unit is the queue; what a helper's key signs is the unit below (trust).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from helperhub.store.keys import DEFAULT_SHARD, Keys


class Role(StrEnum):
    """What a process is to Redis."""

    SCHEDULER = "scheduler"
    WORKER = "worker"
    WEB = "web"
    READ_ONLY = "read-only"
    #: Backup and restore: all of the hub's keys, and no other's.
    BACKUP = "backup"


#: What a client says to get and keep a connection.
_CONNECT = "auth hello ping select client|setinfo client|setname multi exec discard time info"
#: And what one of a Cluster says to find its way.
_CLUSTER = "cluster|slots cluster|shards command asking"
_READ = (
    "get mget pttl strlen exists hget hgetall hmget hkeys hlen hexists smembers sismember smismember srandmember "
    "llen lrange lindex zrange zrevrange zrangebyscore zscore zcard zcount zrank scard hscan sscan xrange xrevrange "
    "xlen xread"
)
_WRITE = (
    "eval evalsha set setrange del pexpire hset hsetnx hdel hincrby sadd srem lpush ltrim zadd zrem zremrangebyrank "
    "zunionstore zpopmin zpopmax xadd waitaof wait"
)
#: Planning, registering, and ending the history.
_KEEP_ORDER = "incr persist lrem rpush xdel zremrangebyscore"
COMMANDS = {
    Role.SCHEDULER: f"{_CONNECT} {_READ} {_WRITE} {_KEEP_ORDER}",
    Role.WORKER: f"{_CONNECT} {_READ} {_WRITE} blpop rpush",
    Role.WEB: f"{_CONNECT} {_READ} {_WRITE} {_KEEP_ORDER}",
    Role.READ_ONLY: f"{_CONNECT} {_READ}",
    Role.BACKUP: f"{_CONNECT} {_READ} {_WRITE} {_KEEP_ORDER} scan type unlink pexpireat",
}

#: Kinds of keys whose next part is a queue.
BY_QUEUE = frozenset(
    {
        *("ready", "suspects", "delayed", "count", "times", "ended", "idle"),
        *("helpers", "keys", "limited", "blocked", "throttled", "expiring"),
    }
)
#: Of these, those that have more parts behind the queue.
_DEEPER = frozenset({"keys", "limited", "blocked"})
#: What each role reads (R), or reads and writes (RW), kind by kind as `store.keys` lists them: scheduler, worker, web.
#: Everybody reads everything: a read-only user of the hub is one of them.
_KINDS = {
    "clock": ("RW", "RW", "RW"),
    "x": ("RW", "RW", "RW"),
    "ready": ("RW", "RW", "RW"),
    "suspects": ("RW", "RW", "RW"),
    "draining": ("R", "RW", "R"),
    "delayed": ("RW", "RW", "RW"),
    "parked": ("RW", "RW", "RW"),
    "active": ("RW", "RW", "RW"),
    "unique": ("RW", "RW", "RW"),
    "rules": ("RW", "R", "RW"),
    "helpers": ("RW", "RW", "RW"),
    "keys": ("RW", "RW", "RW"),
    "limited": ("RW", "RW", "RW"),
    "blocked": ("RW", "RW", "RW"),
    "throttled": ("RW", "RW", "RW"),
    "expiring": ("RW", "RW", "RW"),
    "waits": ("RW", "RW", "RW"),
    "using": ("RW", "RW", "RW"),
    "perkey": ("RW", "RW", "RW"),
    "inhand": ("RW", "RW", "RW"),
    "perqueue": ("RW", "RW", "RW"),
    "starts": ("R", "RW", "R"),
    "queues": ("RW", "RW", "RW"),
    "paused": ("RW", "R", "RW"),
    "workers": ("RW", "RW", "R"),
    "worker": ("RW", "RW", "R"),
    "lost": ("RW", "RW", "R"),
    "held": ("RW", "RW", "R"),
    "idle": ("RW", "RW", "RW"),
    "bell": ("RW", "RW", "RW"),
    "schedulers": ("RW", "R", "R"),
    "stopped": ("RW", "R", "R"),
    "count": ("RW", "RW", "RW"),
    "times": ("RW", "RW", "RW"),
    "ended": ("RW", "RW", "RW"),
    "of": ("RW", "RW", "RW"),
    "dead": ("RW", "RW", "RW"),
    "untold": ("RW", "RW", "RW"),
    "uncalled": ("RW", "RW", "RW"),
    "unlisted": ("RW", "RW", "RW"),
    "history": ("RW", "RW", "RW"),
    "archived": ("RW", "R", "R"),
    "attempts": ("RW", "RW", "R"),
    "cancel": ("RW", "RW", "RW"),
    "group": ("RW", "RW", "RW"),
    "progress": ("R", "RW", "R"),
    "log": ("R", "RW", "R"),
    "synced": ("RW", "RW", "RW"),
    "shards": ("RW", "R", "R"),
    "meta": ("RW", "R", "R"),
    "rev": ("RW", "R", "RW"),
    "catalogue": ("RW", "R", "RW"),
    "overrides": ("RW", "R", "RW"),
    "planned": ("RW", "R", "RW"),
    "plan": ("RW", "R", "RW"),
    "marks": ("RW", "R", "RW"),
    "apikeys": ("RW", "R", "RW"),
    "audit": ("RW", "R", "RW"),
    "alerts": ("RW", "R", "RW"),
    "alertrules": ("RW", "R", "RW"),
    "notices": ("RW", "R", "RW"),
    "plugins": ("RW", "R", "R"),
    "webhooks": ("RW", "R", "RW"),
    "undo": ("RW", "RW", "RW"),
    "undorows": ("RW", "RW", "RW"),
    "apart": ("RW", "R", "RW"),
    "views": ("R", "R", "RW"),
    "idempotency": ("R", "R", "RW"),
    "session": ("R", "R", "RW"),
    "login": ("RW", "R", "RW"),
}
_COLUMN = {Role.SCHEDULER: 0, Role.WORKER: 1, Role.WEB: 2}
#: Kinds of which one key is shared by all; the others have parts behind.
_SINGLE = frozenset(
    {
        *(
            "clock",
            "draining",
            "queues",
            "paused",
            "workers",
            "schedulers",
            "dead",
            "untold",
            "uncalled",
            "unlisted",
            "history",
            "archived",
            "attempts",
            "cancel",
        ),
        *("rules", "inhand", "perqueue"),
        *("synced", "shards", "meta", "rev", "catalogue", "overrides", "planned", "plan", "audit", "apikeys"),
        *("plugins", "webhooks", "alerts", "alertrules", "notices", "lost", "stopped"),
    }
)


@dataclass(frozen=True, slots=True)
class UserRules:
    """The rules of one user.

    Args:
        role: What it is for.
        user: Its name.
        rules: As ``ACL SETUSER`` takes them.
    """

    role: Role
    user: str
    rules: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that makes the user."""
        return " ".join(("ACL", "SETUSER", self.user, *self.rules))

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {"role": self.role.value, "user": self.user, "rules": list(self.rules), "command": self.command}


def build_rules(
    role: Role,
    hub: str,
    *,
    queues: Sequence[str] = (),
    shards: Sequence[int] = (DEFAULT_SHARD,),
    password: str = "PASSWORD",  # noqa: S107 - a placeholder
) -> UserRules:
    """Return the rules of a user for ``role``; whatever it had before is reset.

    Args:
        role: The role.
        hub: The hub's name.
        queues: Workers: only these queues; empty means all.
        shards: The hub's shards.
        password: As the user is to have it.
    """
    written = [k for k, access in _KINDS.items() if access[_COLUMN[role]] == "RW"] if role in _COLUMN else []
    patterns = []
    for shard in shards:
        keys = Keys(hub, shard)
        if role is not Role.READ_ONLY:
            # The shard's prefix is the one key that every script is told.
            patterns.append(f"~{keys.prefix}")
        patterns += [f"~{keys.at(*parts)}" for kind in written for parts in _parts(kind, role, queues)]
        patterns.append(f"{'' if role is Role.BACKUP else '%R'}~{keys.at('*')}")
    words = COMMANDS[role].split() + (_CLUSTER.split() if len(shards) > 1 else [])
    commands = [f"+{name}" for name in words]
    rules = ("reset", "on", f">{password}", *patterns, *commands)
    return UserRules(role, f"helperhub-{hub}-{role.value}", rules)


def _parts(kind: str, role: Role, queues: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the parts of the keys of one kind, as patterns."""
    if kind in _SINGLE:
        # ``plan`` is a key, and so is ``plan:<helper>``.
        return [(kind,), (kind, "*")] if kind in ("plan", "apikeys") else [(kind,)]
    end = ("[sf]",) if kind in ("ended", "of") else ("*",) if kind in _DEEPER else ()
    names = queues if role is Role.WORKER and kind in BY_QUEUE and queues else ["*"]
    return [(kind, name, *end) for name in names]


__all__ = ["BY_QUEUE", "COMMANDS", "Role", "UserRules", "build_rules"]
