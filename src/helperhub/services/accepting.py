"""Accepting work from outside: into Redis, or, where that was asked for, onto this machine's disk while it is away."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

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
from helperhub.model.duration import to_ms
from helperhub.model.execution import Trigger
from helperhub.model.identity import ExecutionId, new_execution_id
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.services.enqueueing import Enqueueing, EnqueueOptions
from helperhub.services.spool import SpoolFile, note_refused
from helperhub.trust.encryption import Cipher

_log = logging.getLogger("helperhub.spool")
_BOUND = b"spool"
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
    """

    directory: Path
    hub: str
    cipher: Cipher
    ping: Callable[[], None]
    renew: Callable[[], None]


class Accepting:
    """Takes executions in; see `Spooling` for what becomes of them while Redis is away."""

    def __init__(self, enqueueing: Enqueueing, spooling: Spooling | None) -> None:
        """Enqueue with ``enqueueing``; without ``spooling`` an absence is the caller's."""
        self._enqueueing = enqueueing
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
        """Remember that Redis is away: until it is back, nobody waits for it in vain."""
        if self._spooling is not None and not self._away:
            self._away = True
            _log.warning("spool_begins", extra={"directory": str(self._spooling.directory)})
            self._wake.set()

    def accept(self, helper: str, payload: Any, options: EnqueueOptions) -> Accepted:
        """Enqueue one execution, or spool it.

        Raises:
            NotFound: No helper has that name.
            UsageError: The payload or an option can't be used.
            StoreError: Redis can't take it, and it isn't spooled either.
        """
        if self._spooling is None:
            return Accepted(self._enqueueing.one(helper, payload, options))
        # With an id, so that what may have reached Redis and what is in the file are one execution.
        given = options if options.id is not None else replace(options, id=new_execution_id())
        if not self._away:
            try:
                return Accepted(self._enqueueing.one(helper, payload, given))
            except StoreUnavailable:
                self.note_away()
        assert given.id is not None  # noqa: S101 - for the type only
        self._enqueueing.check(helper, payload, given)
        self._append(self._spooling, _write(self._spooling.cipher, helper, payload, given))
        return Accepted(ExecutionId(given.id), spooled=True)

    def start(self) -> None:
        """Begin to enqueue what was spooled, by this process or one that is no more."""
        if self._spooling is not None and self._thread is None:
            self._stopping = False
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
                self._away = True
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
        """Enqueue what there is in files, in order; then renew what has to be known."""
        spooling.ping()
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
        spooling.renew()

    def _drain(self, spooling: Spooling, file: SpoolFile) -> None:
        done = 0
        for line in file.lines():
            try:
                self._enqueue(spooling, line)
            except _NEVER as error:
                said = error.message if isinstance(error, HelperHubError) else type(error).__name__
                note_refused(spooling.directory, line)
                _log.error("spool_refused", extra={"error": said, "file": str(spooling.directory / "refused")})
            done += 1
        if done:
            _log.info("spool_enqueued", extra={"executions": done})

    def _enqueue(self, spooling: Spooling, line: bytes) -> None:
        helper, payload, options = _read(spooling.cipher, line)
        # By its id: what went in before a crash, or before its reply was lost, is there already.
        self._enqueueing.one(helper, payload, options)


def _write(cipher: Cipher, helper: str, payload: Any, options: EnqueueOptions) -> bytes:
    at = options.at or datetime.now(UTC) + (options.delay or timedelta(0))
    order: dict[str, Any] = {
        "id": options.id,
        "payload": payload,
        "at_ms": epoch_ms(at),
        "priority": options.priority,
        "expires_after_ms": None if options.expires_after is None else to_ms(options.expires_after),
        "metadata": dict(options.metadata or {}),
        "trigger": options.trigger.value,
        "unique_key": options.unique_key,
        "unique_for_ms": None if options.unique_for is None else to_ms(options.unique_for),
        "callback": options.callback,
    }
    if not cipher.enabled:
        return orjson.dumps({"helper": helper, "order": order})
    sealed = cipher.seal(helper, orjson.dumps(order), _BOUND)
    return orjson.dumps({"helper": helper, "sealed": base64.b64encode(sealed).decode()})


def _read(cipher: Cipher, line: bytes) -> tuple[str, Any, EnqueueOptions]:
    entry: Mapping[str, Any] = orjson.loads(line)
    helper, order = entry["helper"], entry.get("order")
    if order is None:
        order = orjson.loads(cipher.open(helper, base64.b64decode(entry["sealed"]), _BOUND))
    options = EnqueueOptions(
        at=from_ms(order["at_ms"]),
        priority=order["priority"],
        id=order["id"],
        expires_after=_span(order["expires_after_ms"]),
        metadata=order["metadata"],
        trigger=Trigger(order["trigger"]),
        wait=timedelta(0),
        unique_key=order["unique_key"],
        unique_for=_span(order["unique_for_ms"]),
        callback=order.get("callback"),
    )
    return helper, order["payload"], options


def _span(ms: int | None) -> timedelta | None:
    return None if ms is None else timedelta(milliseconds=ms)


__all__ = ["Accepted", "Accepting", "Spooling"]
