"""What running executions say of themselves, progress and log lines, on its way to Redis."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from dramatiq.middleware import CurrentMessage

from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.errors import HelperHubError
from helperhub.model.instant import to_rfc3339
from helperhub.store.scripts import Report, Scripts
from helperhub.trust.redaction import redact, redact_text

_log = logging.getLogger("helperhub.reports")
#: Log lines of one execution that are kept, the newest; and the bytes of each.
MAX_LINES = 200
MAX_LINE_BYTES = 1024
#: How long both can be read after the last word.
LIFETIME_MS = 3_600_000
#: Loggers whose lines count as a helper's own.
HELPER_LOGGER = "helperhub.helper"
_WRITE_EVERY_S = 1.0
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(slots=True)
class _Said:
    delivery: int
    progress: bytes = b""
    lines: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_LINES))


class Reports(logging.Handler):
    """Gathers reports of a worker process and writes them, once a second at most; they never fail the work."""

    def __init__(self, scripts: Scripts) -> None:
        """Write to ``scripts``' store; `start` begins."""
        super().__init__(logging.INFO)
        self._scripts = scripts
        self._mutex = threading.Lock()
        self._said: dict[str, _Said] = {}
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="helperhub-reports", daemon=True)

    def start(self) -> None:
        """Begin to write, and to listen to helpers' logs."""
        logger = logging.getLogger(HELPER_LOGGER)
        # What is written to stderr has a level of its own, so this only lets more of it come as far as here.
        logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
        logger.addHandler(self)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end. Never raises."""
        logging.getLogger(HELPER_LOGGER).removeHandler(self)
        self._stopping.set()
        self._news.set()
        self._thread.join(_WRITE_EVERY_S + 5.0)

    def progress(self, message: ClaimedMessage, done: float, total: float | None, text: str) -> None:
        """Take a progress report of an execution in hand; the last one counts."""
        report = orjson.dumps({"done": done, "total": total, "text": redact_text(text[:500], message.secret_texts)})
        with self._mutex:
            self._of(message).progress = report
        self._news.set()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a log line of the execution that this thread runs."""
        claimed = as_claimed(CurrentMessage.get_current_message())
        if claimed is None:
            return
        line = _pack_line(record, claimed.secret_texts)
        with self._mutex:
            self._of(claimed).lines.append(line)
        self._news.set()

    def _of(self, message: ClaimedMessage) -> _Said:
        return self._said.setdefault(message.execution_id, _Said(message.record.delivery))

    def _run(self) -> None:
        last = False
        while not last:
            self._news.wait()
            self._news.clear()
            self._write_news()
            last = self._stopping.wait(_WRITE_EVERY_S)
        self._write_news()

    def _write_news(self) -> None:
        with self._mutex:
            said, self._said = self._said, {}
        if said:
            self._write(said)

    def _write(self, said: dict[str, _Said]) -> None:
        rows = [Report(id_, one.delivery, one.progress, tuple(one.lines)) for id_, one in said.items()]
        try:
            self._scripts.report(rows, keep=MAX_LINES, lifetime_ms=LIFETIME_MS)
        except HelperHubError as error:  # reports are for onlookers: they must never fail or hold up the work
            if not self._failing:
                _log.warning("reports_lost", extra={"executions": len(rows), "error": str(error)})
            self._failing = True
        else:
            self._failing = False


def _pack_line(record: logging.LogRecord, secrets: Collection[str]) -> bytes:
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}
    fields = redact(given) if given else given
    line = {
        "at": to_rfc3339(datetime.fromtimestamp(record.created, UTC)),
        "level": record.levelname.lower(),
        "text": redact_text(record.getMessage(), secrets),
    }
    if record.exc_info and record.exc_info[1] is not None:
        line["error"] = redact_text(f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}", secrets)
    packed = orjson.dumps({**line, **({"fields": fields} if fields else {})}, default=str)
    if len(packed) > MAX_LINE_BYTES:
        text = str(line["text"]).encode(errors="replace")[: MAX_LINE_BYTES - 200].decode(errors="ignore")
        packed = orjson.dumps({**line, "text": text, "error": line.get("error", "")[:100], "cut": True})
    return packed


__all__ = ["MAX_LINES", "Reports"]
