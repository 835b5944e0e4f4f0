"""One typed function for each script of `lua/`; see each script's head for what it promises."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from secrets import token_hex
from typing import Any

import redis

from helperhub.errors import StoreError
from helperhub.store import schema
from helperhub.store.absence import Absence
from helperhub.store.assurance import Assurance
from helperhub.store.calls import (
    Claimed,
    Due,
    DueRow,
    Gone,
    MemberDone,
    PlanEntry,
    Publication,
    Reaped,
    Report,
    Settlement,
    SpecChange,
)
from helperhub.store.connection import Client, store_errors
from helperhub.store.keys import Keys
from helperhub.store.line import Line
from helperhub.store.record import Record, pack, pack_record
from helperhub.store.room import Room
from helperhub.store.undo import Progress, Undoable

#: `Scripts.publish` enqueued nothing, for another execution has its unique key.
KEY_HELD = 2
#: It enqueued nothing under an id that belongs to another call.
ID_TAKEN = -2
#: It enqueued nothing, for the Redis user may not put work into that queue.
NOT_PERMITTED = -3


LUA = resources.files("helperhub.store") / "lua"
#: What a script builds on: ``base``, and what its line "Uses:" names, in this order.
PARTS = ("base", "record", "limits", "waiting", "ending", "plan", "undo")
_USES = re.compile(r"^-- Uses: (.*)$", re.MULTILINE)


@cache
def load_script(name: str) -> str:
    """Return a script's text: its shebang line, the parts it uses, then the rest."""
    shebang, _, rest = (LUA / f"{name}.lua").read_text().partition("\n")
    found = _USES.search(rest)
    used = {"base", *(found[1].split() if found else ())}
    parts = [(LUA / "parts" / f"{part}.lua").read_text() for part in PARTS if part in used]
    return "\n".join((shebang, f"local KNOWN_SCHEMA = {schema.KNOWN.newest}", *parts, rest))


@cache
def _digest(name: str) -> str:
    return hashlib.sha1(load_script(name).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Scripts:
    """The scripts of one shard.

    Args:
        client: Redis.
        keys: The shard's keys.
        room: Refuses what adds while memory is short; None never does.
        assurance: What is waited for before new work counts as accepted; None waits for nothing.
        absence: Whether Redis was away a moment ago.

    Every function raises `StoreUnavailable`, `StoreRefused` or `StoreError` as `store_errors` says.
    """

    client: Client
    keys: Keys
    room: Room | None = None
    assurance: Assurance | None = None
    absence: Absence = field(default_factory=Absence, compare=False)
    line: Line = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Give it connections of its own."""
        object.__setattr__(self, "line", Line(self.client))

    @property
    def each(self) -> tuple[Scripts, ...]:
        """The scripts of each shard: this one's."""
        return (self,)

    def _add(self, name: str, *args: Any) -> Any:
        """Run a script that brings something in, if there is room."""
        if self.room is not None:
            self.room.check()
        return self._run(name, *args)

    def _accept(self, name: str, *args: Any) -> Any:
        """Run a script that accepts work from a caller: it may have to be safe before that is told."""
        if self.room is not None:
            self.room.check()
        if self.assurance is None:
            return self._run(name, *args)
        with store_errors():
            digest, prefix = _digest(name), self.keys.prefix
            try:
                return self.assurance.run(self.client, self.keys, "EVALSHA", digest, 1, prefix, *args)
            except redis.exceptions.NoScriptError:
                return self.assurance.run(self.client, self.keys, "EVAL", load_script(name), 1, prefix, *args)

    def _run(self, name: str, *args: Any) -> Any:
        with store_errors():
            try:
                return self.line.call("EVALSHA", _digest(name), 1, self.keys.prefix, *args)
            except redis.exceptions.NoScriptError:
                # EVAL and not SCRIPT LOAD: another SCRIPT FLUSH or restart may come between two calls.
                return self.client.eval(load_script(name), 1, self.keys.prefix, *args)

    def publish(self, publications: Sequence[Publication]) -> list[tuple[int, str]]:
        """Enqueue; per publication 1 and its id, 0 and its id (already there), or why not.

        `KEY_HELD` and the execution that has its unique key; -1 and the depth: the queue is full;
        `ID_TAKEN` and the id: it belongs to another call;
        `NOT_PERMITTED` and the queue: this Redis user may not enqueue there.
        """
        answer = self._accept("publish", pack([publication.entry() for publication in publications]))
        return [
            (given, publication.id) if isinstance(given, int) else (given[0], given[1].decode())
            for given, publication in zip(answer, publications, strict=True)
        ]

    def agree(self, *, scheduler: str = "") -> tuple[int, str]:
        """Tell and ask which schema is written; a scheduler also raises it once all processes know more.

        Returns:
            The schema (0: nobody has said), and a process at work that can't read what this release writes.
        """
        known = schema.KNOWN
        found, behind = self._run("agree", scheduler, known.newest, known.writes_from, schema.SILENT_MS)
        return int(found), behind.decode()

    def join(self, worker: str, *, lease_ms: int, about: Mapping[str, str]) -> int:
        """Register a worker process with its first lease; return Redis TIME in ms."""
        return int(self._run("join", worker, lease_ms, *(value for item in about.items() for value in item)))

    def renew(self, workers: Sequence[str], *, lease_ms: int, seen: Mapping[str, str] | None = None) -> list[str]:
        """Renew leases; return the workers that have none any more.

        Args:
            workers: Their ids.
            lease_ms: For how long.
            seen: By id, what is seen of it, see `workers.Seen.to_text`.
        """
        pairs = [value for worker in workers for value in (worker, (seen or {}).get(worker, ""))]
        return [worker.decode() for worker in self._run("renew", lease_ms, *pairs)]

    def reap(self, gone: Sequence[Gone] = ()) -> list[Reaped]:
        """Hand out again what worker processes held that are gone or whose lease is over.

        Leases are left alone for a moment after Redis was away: their keepers renew them first.
        """
        rows = [
            [one.worker, one.cause, False if one.suspects is None else list(one.suspects), one.lost] for one in gone
        ]
        try:
            answer = self._run("reap", pack(rows), int(self.absence.is_recent))
        except StoreError:
            self.absence.note()
            raise
        return [Reaped(worker.decode(), handed, lost) for worker, handed, lost in answer]

    def claim(
        self,
        worker: str,
        queues: Sequence[str],
        *,
        number: int,
        want: int,
        will_wait: bool,
        waited: bool,
        free: int | None = None,
        above: int = 0,
    ) -> Claimed:
        """Take up to ``want`` executions, most urgent first; ``free`` of them, None is all, find a thread at once.

        For the first ``above`` of the queues the bell is rung, for they are above what was read ahead before.
        """
        free = want if free is None else free
        answer = self._run("claim", worker, number, want, int(will_wait), int(waited), free, above, *queues)
        if answer[0] == -1:
            return Claimed(registered=False)
        pairs = zip(answer[2::2], answer[3::2], strict=True)
        records = tuple((id_.decode(), raw) for id_, raw in pairs)
        return Claimed(registered=True, now_ms=answer[0], next_due_ms=answer[1], records=records)

    def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool | str]:
        """Carry out verdicts; False where the claim wasn't this worker's any more, a text where it can't be done."""
        answer = self._run("settle", worker, pack([settlement.entry() for settlement in settlements]))
        return [code.decode(errors="replace") if isinstance(code, bytes) else code == 1 for code in answer]

    def report(self, reports: Sequence[Report], *, keep: int, lifetime_ms: int) -> list[bool]:
        """Keep what executions say of themselves, ``keep`` log lines each; False where it is stale."""
        rows = [[one.id, one.delivery, one.progress, list(one.lines)] for one in reports]
        return [code == 1 for code in self._run("report", pack(rows), keep, lifetime_ms)]

    def open_group(self, group: str, size: int, *, keep_ms: int) -> bool:
        """Begin to count the members of a group; False means it is counted already."""
        return bool(self._run("open_group", group, size, keep_ms))

    def cancel(self, ids: Sequence[str], *, reason: str, undo: Undoable | None = None) -> list[str]:
        """Stop executions; per id cancelled, asked, final or unknown."""
        return [code.decode() for code in self._run("cancel", reason, _noted(undo), *ids)]

    def replay(
        self, replays: Sequence[tuple[str, str, Record]], *, undo: Undoable | None = None
    ) -> list[tuple[int, str]]:
        """Put finished executions (old id, new id, new record) back; see the script for the codes."""
        rows = _copies(replays)
        return [(code, id_.decode()) for code, id_ in self._accept("replay", rows, _noted(undo))]

    def delete_dead(self, ids: Sequence[str], *, undo: Undoable | None = None) -> int:
        """Remove dead letters; return how many there were."""
        return int(self._run("delete_dead", _noted(undo), *ids))

    def purge(self, queue: str, *, limit: int, reason: str, undo: Undoable | None = None) -> int:
        """Cancel up to ``limit`` waiting executions of a queue; return how many."""
        return int(self._run("purge", queue, limit, reason, _noted(undo)))

    def undo(self, change_id: str, *, limit: int, remember_ms: int = 0) -> Progress | None:
        """Undo up to ``limit`` executions of a deletion or a replay; None if it changed nothing here."""
        return _progress(self._run("undo", change_id, limit, remember_ms))

    def unpurge(
        self, change_id: str, copies: Sequence[tuple[str, str, Record]], *, left: int, taken: int
    ) -> Progress | None:
        """Enqueue (old id, new id, new record) of a purge again, ``taken`` of the ``left`` rows that were read."""
        return _progress(self._accept("unpurge", change_id, left, taken, _copies(copies)))

    def sweep(self, queue: str, *, start: int, limit: int) -> tuple[int, int]:
        """Record waiting executions past their expiry; return where to go on (-1: end) and how many expired."""
        rank, expired = self._run("sweep", queue, start, limit)
        return int(rank), int(expired)

    def trim(self, queue: str, kind: str, *, keep_ms: int, limit: int, bound_bytes: int, held: bool) -> int:
        """End the oldest part of the history; return how many records ended.

        With ``held`` what isn't archived yet stays, as long as it has room.
        """
        return int(self._run("trim", queue, kind, keep_ms, limit, bound_bytes, "held" if held else ""))

    def note_archived(self, *, until_ms: int | None = None, audit: str = "") -> int:
        """Note how far the archive has come, see `store.archived`; return Redis TIME in ms."""
        until = () if until_ms is None else ("until", until_ms)
        return int(self._run("note_archived", *until, *(("audit", audit) if audit else ())))

    def rewrite(self, bodies: Sequence[tuple[str, bytes, bytes]]) -> list[int]:
        """Swap bodies (id, the one it has, the one it gets); per id 1, or 0 where it has another by now."""
        return [int(code) for code in self._run("rewrite", pack([list(swap) for swap in bodies]))]

    def restore(self, executions: Sequence[tuple[str | bytes, bytes]]) -> list[int]:
        """Bring back executions (id, packed record) that weren't over; see the script for the codes."""
        return [int(code) for code in self._add("restore", pack([list(one) for one in executions]))]

    def set_rules(self, changes: Mapping[str, str]) -> int:
        """Change rules of limits by field, '' takes one out; return how many changed."""
        return int(self._run("rules", pack([part for change in changes.items() for part in change])))

    def mend(self) -> int:
        """Free slots of limits that nobody holds any more; return how many there were."""
        cursor, freed = b"0", 0
        while True:
            cursor, found = self._run("mend", cursor)
            freed += int(found)
            if cursor == b"0":
                return freed

    def register(self, changes: Sequence[SpecChange], *, revision: int | None) -> tuple[int, int]:
        """Write catalogue changes; return revision and removed due times, or (-1, 0) if ``revision`` is old."""
        rows = [[change.helper, change.spec, change.override, change.plan] for change in changes]
        # Disabling helpers is what helps when memory is short.
        adds = any(change.plan != "stop" for change in changes)
        run = self._add if adds else self._run
        answer = run("register", "" if revision is None else revision, pack(rows))
        return int(answer[0]), int(answer[1])

    def plan(self, entries: Sequence[PlanEntry]) -> list[int]:
        """Enter due times; per entry how many were new, -1 where the state has moved on."""
        return [int(added) for added in self._add("plan", pack([entry.entry() for entry in entries]))]

    def due(self, scheduler: str = "", *, limit: int) -> Due:
        """Show what is due."""
        now_ms, revision, next_due_ms, *rows = self._run("due", scheduler, limit)
        return Due(now_ms, revision, next_due_ms, tuple(_due_row(row) for row in rows))

    def count_planned(self) -> int:
        """Return how many due times the plan has, of all helpers."""
        return int(self._run("count_planned", -1))

    def enqueue_due(self, entries: Sequence[tuple[str, str, int, Record, str, str]]) -> list[int]:
        """Move (helper, slot, due ms, record, status code, reason) from the plan; see the script for the codes."""
        return [int(code) for code in self._add("enqueue_due", _due_rows(entries), "")]

    def enter_due(self, entries: Sequence[tuple[str, str, int, Record, str, str]]) -> list[int]:
        """Enter what is held in the plan of another shard; as `enqueue_due`, 0 where it is there already."""
        return [int(code) for code in self._add("enqueue_due", _due_rows(entries), "held")]

    def hold_due(self, slots: Sequence[tuple[str, str, int]]) -> list[bool]:
        """Keep (helper, slot, due ms) for entering in another shard; False where another scheduler was first."""
        return [code == 1 for code in self._run("hand_over_due", "hold", pack([list(slot) for slot in slots]))]

    def drop_due(self, slots: Sequence[tuple[str, str, int]]) -> None:
        """Take out of the plan what was entered in another shard."""
        if slots:
            self._run("hand_over_due", "drop", pack([list(slot) for slot in slots]))

    def mark_plan(self, helper: str, slot: str, action: str, *, due_ms: int, reason: str, record: Record) -> int:
        """Skip, move or run one planned time; return its due ms, 0 when skipped, -1 when it isn't planned."""
        return int(self._run("mark_plan", helper, slot, action, due_ms, reason, pack_record(record)))

    def note_audit(self, entry: bytes, *, most: int) -> str:
        """Add an entry to the audit trail, which keeps about ``most``, and return its id."""
        return str(self._run("note_audit", entry, token_hex(8), most), "ascii")

    def swap_entry(self, kind: str, id_: str, before: bytes, after: bytes) -> bool:
        """Change one of ``webhooks``, ``apikeys`` or ``notices``; False if it isn't what the caller read any more."""
        return bool(self._run("swap_entry", kind, id_, before, after))

    def save_view(self, who: str, before: str, name: str, query: str, *, most: int, keep_ms: int) -> int:
        """Save a view, or rename it; see the script for the answer."""
        return int(self._add("save_view", who, before, name, query, most, keep_ms))

    def write_alerts(
        self, before: str, after: str, alerts: Sequence[tuple[str, str]], notices: Sequence[tuple[str, str]]
    ) -> bool:
        """Write alerts (id, JSON or '') and what is to be told of them; False if somebody else wrote meanwhile."""
        rows = [pack([list(row) for row in part]) for part in (alerts, notices)]
        return bool(self._run("write_alerts", before, after, *rows))


def _noted(undo: Undoable | None) -> bytes:
    return pack(undo.entry()) if undo else b""


def _copies(copies: Sequence[tuple[str, str, Record]]) -> bytes:
    return pack([[old, new, pack_record(record)] for old, new, record in copies])


def _progress(answer: Any) -> Progress | None:
    return Progress(bool(answer[0]), *map(int, answer[1:])) if answer else None


def _due_rows(entries: Sequence[tuple[str, str, int, Record, str, str]]) -> bytes:
    return pack([[helper, slot, due, pack_record(rec), code, why] for helper, slot, due, rec, code, why in entries])


def _due_row(row: list[bytes]) -> DueRow:
    helper, until, *parts = (part.decode() for part in row)
    slots = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return DueRow(helper, int(until), tuple((slot, int(float(due)), mark) for slot, due, mark in slots))


__all__ = [
    "ID_TAKEN",
    "KEY_HELD",
    "NOT_PERMITTED",
    "Claimed",
    "Due",
    "DueRow",
    "Gone",
    "MemberDone",
    "PlanEntry",
    "Publication",
    "Reaped",
    "Report",
    "Scripts",
    "Settlement",
    "SpecChange",
    "load_script",
]
