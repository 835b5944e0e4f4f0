"""Accepting work from outside: into Redis, or, where that was asked for, onto this machine's disk while it is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helperhub.errors import (
    ConfigurationError,
    HelperHubError,
    NotFound,
    QueueFull,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    UntrustedRecord,
    UsageError,
)
from helperhub.model.access import Principal
from helperhub.model.execution import Trigger
from helperhub.model.identity import ExecutionId, new_execution_id
from helperhub.services.audit import Audit, acting, acting_as
from helperhub.services.enqueueing import Enqueueing, EnqueueOptions
from helperhub.services.spool import SpoolFile, note_refused
from helperhub.services.spool_lines import Order, read_line, read_order, write_line
from helperhub.trust.encryption import Cipher

_log = logging.getLogger("helperhub.spool")
#: What no repetition mends.
_NEVER = (NotFound, UsageError, ConfigurationError, UntrustedRecord, ValueError, KeyError, TypeError, AttributeError)
#: How often Redis is asked while it is away, and how often what this process remembers is renewed, seconds.
_ASK_EVERY_S = 0.25
_RENEW_EVERY_S = 3.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """Work that won't be lost.

    Args:
        id: The execution's id; ``existed`` tells whether it was there before.
        spooled: It is on this machine's disk, and will be enqueued when Redis is back.
    """

    id: ExecutionId
    spooled: bool = False


@dataclass(frozen=True, slots=True)
class Spooling:
    """What a spool needs.

    Args:
        directory: Where its files are.
        hub: The hub's name, for theirs.
        cipher: Seals what lies on disk, where the hub encrypts.
        ping: Asks Redis whether it is there.
        renew: Reads anew what has to be known while Redis is away.
        hurry: Lets this process wait less for a Redis that hangs; called before it takes anything in.
    """

    directory: Path
    hub: str
    cipher: Cipher
    ping: Callable[[], None]
    renew: Callable[[], None]
    hurry: Callable[[], None]


class Accepting:
    """Takes executions in; see `Spooling` for what becomes of them while Redis is away."""

    def __init__(self, enqueueing: Enqueueing, spooling: Spooling | None, audit: Audit) -> None:
        """Enqueue with ``enqueueing``; without ``spooling`` an absence is the caller's.

        What people start (``Trigger.MANUAL``) is noted in ``audit``, when it is enqueued.
        """
        self._enqueueing = enqueueing
        self._audit = audit
        self._spooling = spooling
        self._lock = threading.Lock()
        self._file: SpoolFile | None = None
        self._away = False
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def spools(self) -> bool:
        """Whether work is accepted while Redis is away."""
        return self._spooling is not None

    @property
    def is_away(self) -> bool:
        """Whether Redis was found away, and isn't back yet as far as this process knows; only where it spools."""
        return self._away

    def note_away(self) -> None:
        """Remember that Redis is away: until a look finds it back, nobody waits for it in vain."""
        if self._spooling is not None and not self._away:
            self._away = True
            _log.warning("spool_begins", extra={"directory": str(self._spooling.directory)})
            self._wake.set()

    def check_there(self) -> None:
        """Refuse at once what needs Redis while it is known to be away: one that hangs would hold up every thread.

        Raises:
            StoreUnavailable: It is.
        """
        if self._away:
            message = "Redis can't be reached: it was away a moment ago, and isn't back yet."
            raise StoreUnavailable(message, hint="Send it again in a moment.")

    def accept(self, helper: str, payload: Any, options: EnqueueOptions) -> Accepted:
        """Enqueue one execution, or spool it.

        Raises:
            NotFound: No helper has that name.
            UsageError: The payload or an option can't be used.
            StoreError: Redis can't take it, and it isn't spooled either.
        """
        return self._accept([Order(helper, payload, options)], is_batch=False)[0]

    def accept_many(self, orders: Sequence[Order]) -> list[Accepted]:
        """Enqueue executions, or spool all of them; return what became of them in order.

        Raises:
            NotFound: No helper has one of the names; nothing was enqueued.
            UsageError: A payload or an option can't be used; nothing was enqueued.
            QueueFull: A queue is full; the hint says how many were enqueued before.
            StoreError: Redis can't take them, and they aren't spooled either.
        """
        return self._accept(orders, is_batch=True)

    def _accept(self, orders: Sequence[Order], *, is_batch: bool) -> list[Accepted]:
        who = acting() if orders[0].options.trigger is Trigger.MANUAL else None
        if self._spooling is None:
            return [Accepted(id_) for id_ in self._enqueue_all(orders, who, is_batch=is_batch)]
        # With ids, so that what may have reached Redis and what is in the file are the same executions.
        given = [_with_id(order) for order in orders]
        if not self._away:
            try:
                return [Accepted(id_) for id_ in self._enqueue_all(given, who, is_batch=is_batch)]
            except StoreUnavailable:
                self.note_away()
        for order in given:
            self._enqueueing.check(order.helper, order.payload, order.options)
        self._append(self._spooling, write_line(self._spooling.cipher, given, who, is_batch=is_batch))
        return [Accepted(ExecutionId(order.options.id or ""), spooled=True) for order in given]

    def _enqueue_all(self, orders: Sequence[Order], who: Principal | None, *, is_batch: bool) -> list[ExecutionId]:
        found = self._enqueueing.each([(order.helper, order.payload, order.options) for order in orders])
        new = [(order.helper, id_) for order, id_ in zip(orders, found, strict=True) if not id_.existed]
        if who is not None and new:
            self._note(new, is_batch=is_batch)
        return found

    def _note(self, started: Sequence[tuple[str, ExecutionId]], *, is_batch: bool) -> None:
        """Note under the name of whoever acts that helpers were started."""
        helper, id_ = started[0]
        if not is_batch:
            self._audit.note("helper.run", helper, after={"execution": str(id_)})
            return
        target = helper if len(started) == 1 else f"{len(started)} executions"
        self._audit.note("execution.start", target, after={"executions": [id_ for _, id_ in started]})

    def start(self) -> None:
        """Begin to enqueue what was spooled, by this process or one that is no more."""
        if self._spooling is not None and self._thread is None:
            self._stopping = False
            self._spooling.hurry()
            run = self._run
            self._thread = threading.Thread(target=run, args=(self._spooling,), name="helperhub-spool", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; what is spooled stays for the next start."""
        if self._thread is not None:
            self._stopping = True
            self._wake.set()
            self._thread.join()
            self._thread = None
        with self._lock:
            if self._file is not None:
                self._file.close(remove=self._file.is_empty)
                self._file = None

    def _append(self, spooling: Spooling, line: bytes) -> None:
        with self._lock:
            if self._file is None:
                try:
                    self._file = SpoolFile.create(spooling.directory, spooling.hub)
                except OSError as error:
                    message = f"Redis is away, and the spool can't be written: {error.strerror}."
                    raise StoreRefused(message, hint=f"Look at {spooling.directory}.") from error
            file = self._file
        file.append(line)

    def _run(self, spooling: Spooling) -> None:
        while not self._stopping:
            try:
                self._turn(spooling)
                pause_s = _RENEW_EVERY_S
            except StoreUnavailable:
                self.note_away()
                pause_s = _ASK_EVERY_S
            except (StoreError, QueueFull, OSError) as error:
                # It is there, and takes nothing now: what comes in new is told so, what is in files waits.
                self._away = False
                _log.warning("spool_waits", extra={"error": str(error)})
                pause_s = _RENEW_EVERY_S
            except Exception:  # noqa: BLE001 - a bug must not end this thread: files would be left unread
                _log.exception("spool_failed")
                pause_s = _RENEW_EVERY_S
            self._wake.wait(pause_s)
            self._wake.clear()

    def _turn(self, spooling: Spooling) -> None:
        """Renew what has to be known; then enqueue what there is in files, in order."""
        spooling.ping()
        spooling.renew()
        with self._lock:
            own = self._file
        if own is not None:
            self._drain(spooling, own)
        if self._away:
            self._away = False
            # Those that saw it away a moment ago may have appended meanwhile: the next turn comes at once.
            self._wake.set()
        if spooling.directory.is_dir():
            for left in SpoolFile.adopt(spooling.directory, spooling.hub):
                emptied = False
                try:
                    self._drain(spooling, left)
                    emptied = True
                finally:
                    left.close(remove=emptied)

    def _drain(self, spooling: Spooling, file: SpoolFile) -> None:
        done = 0
        noted = _Noted(self._audit)
        for line in file.lines():
            done += self._enqueue(spooling, line, noted)
        if done:
            _log.info("spool_enqueued", extra={"executions": done})

    def _enqueue(self, spooling: Spooling, line: bytes, noted: _Noted) -> int:
        """Enqueue a line's orders, note who asked, and return how many they are."""
        read, started = read_line(line), list[tuple[str, ExecutionId]]()
        for part in read.parts:
            try:
                order = read_order(spooling.cipher, part)
                # By its id: what went in before a crash, or before its reply was lost, is there already.
                started.append((order.helper, self._enqueueing.one(order.helper, order.payload, order.options)))
            except _NEVER as error:
                said = error.message if isinstance(error, HelperHubError) else type(error).__name__
                note_refused(spooling.directory, part)
                _log.error("spool_refused", extra={"error": said, "file": str(spooling.directory / "refused")})
        new = [(helper, id_) for helper, id_ in started if not id_.existed or id_ not in noted]
        if read.who is not None and new:
            with acting_as(read.who):
                self._note(new, is_batch=read.is_batch)
            noted.add(id_ for _, id_ in new)
        return len(read.parts)


class _Noted:
    """Which executions' starts are on record, for those that were there already: read when the first one is."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._ids: set[str] | None = None

    def __contains__(self, id_: str) -> bool:
        if self._ids is None:
            self._ids = self._audit.started()
        return id_ in self._ids

    def add(self, ids: Iterable[str]) -> None:
        if self._ids is not None:
            self._ids.update(ids)


def _with_id(order: Order) -> Order:
    if order.options.id is not None:
        return order
    return replace(order, options=replace(order.options, id=new_execution_id()))


__all__ = ["Accepted", "Accepting", "Order", "Spooling"]
