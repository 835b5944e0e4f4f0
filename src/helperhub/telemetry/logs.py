"""Logs: one constant event name and its fields a record, as text for people or JSON for machines.

    log.info("execution_finished", extra={"execution_time_ms": 12})
    2026-11-23T08:30:00.123Z info execution_finished execution_id=weather@20261123T083000Z execution_time_ms=12

What an actor logs carries the ids of its execution: the middleware sets them as the log context.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, TextIO

from dramatiq.compat import StreamablePipe
from pythonjsonlogger.json import JsonFormatter

from helperhub.model.instant import to_rfc3339
from helperhub.trust.redaction import redact, redact_text

LogFormat = Literal["auto", "text", "json"]

_HANDLER_NAME = "helperhub"
_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})
#: A context variable: each thread has its own, and asyncio carries it into an async actor's task.
_context: ContextVar[Mapping[str, Any]] = ContextVar("helperhub_log_context", default=_NO_FIELDS)
#: What every record has (the standard library's LogRecord), so what is left are its fields.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_ARGUMENTS = "Received args="


def setup_logging(*, level: str, format: LogFormat = "auto", stream: TextIO | None = None) -> None:  # noqa: A002 - the setting's name
    """Write the log records of this process to ``stream``; calling it again replaces what it set up.

    Args:
        level: Least severe level that is written: debug, info, warning or error.
        format: ``text`` or ``json``; ``auto`` takes text on a terminal and json elsewhere.
        stream: Where to; None means stderr.
    """
    target = sys.stderr if stream is None else stream
    as_text = format == "text" or (format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(TextFormatter() if as_text else _json_formatter())
    handler.addFilter(_add_context)
    # The level counts here, not at the root: what a helper logs is kept with its execution all the same.
    handler.setLevel(level.upper())
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == _HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    quiet_dramatiq()


def take_over_dramatiqs_log(*, format: LogFormat = "auto") -> None:  # noqa: A002 - the setting's name
    """Write records with their fields where Dramatiq's command lets a worker process write; level and place stay.

    Does nothing in a process that the command didn't start, or that it was told to leave its log alone.

    Args:
        format: ``json``, or ``text``, which ``auto`` means here: the command itself writes lines for people.
    """
    streams = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
    for handler in streams:
        if isinstance(handler.stream, StreamablePipe):
            handler.setFormatter(_json_formatter() if format == "json" else TextFormatter())
            handler.addFilter(_add_context)
            quiet_dramatiq()


def quiet_dramatiq() -> None:
    """Keep Dramatiq, APScheduler and httpx from telling what HelperHub's own records tell."""
    # httpx tells every request at info, with its URL.
    for name in ("dramatiq", "apscheduler", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of a turn that is left out because the last one goes on: every 400 ms while Redis is away.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    # dramatiq/worker.py logs "Failed to process message" with a traceback for every failed attempt, and
    # "Message was skipped" for every expired one, both with the arguments. Our "attempt_finished" says it
    # once, with the ids and without the payload. WorkerThread has no other record of this severity.
    logging.getLogger("dramatiq.worker.WorkerThread").setLevel(logging.CRITICAL)


def set_log_context(fields: Mapping[str, Any]) -> None:
    """Add ``fields`` to every record that this thread or task logs from now on, instead of those before."""
    _context.set(MappingProxyType(dict(fields)))


def reset_log_context() -> None:
    """Add no fields any more."""
    _context.set(_NO_FIELDS)


@contextmanager
def log_context(**fields: Any) -> Iterator[None]:
    """Add ``fields``, beside those of the context around, to every record logged inside."""
    token = _context.set(MappingProxyType({**_context.get(), **fields}))
    try:
        yield
    finally:
        _context.reset(token)


class TextFormatter(logging.Formatter):
    """Time, level, event, then ``key=value``; a traceback on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text; only a traceback has more than one line."""
        fields = redact({name: value for name, value in vars(record).items() if name not in _STANDARD})
        traceback = fields.pop("traceback", "") or (self.formatException(record.exc_info) if record.exc_info else "")
        words = [_time_of(record), record.levelname.lower(), _one_line(redact_text(record.getMessage()))]
        words += [f"{name}={_show(value)}" for name, value in fields.items() if value is not None]
        lines = [" ".join(words), redact_text(str(traceback)).rstrip(), record.stack_info or ""]
        return "\n".join(line for line in lines if line)


class _JsonFormatter(JsonFormatter):
    """One JSON object a line; see `_json_formatter`."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - the standard library's
        del datefmt
        return _time_of(record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {**redact(log_data), "level": str(log_data["level"]).lower()}


def _json_formatter() -> logging.Formatter:
    return _JsonFormatter(
        "%(asctime)s %(levelname)s %(message)s %(name)s",
        rename_fields={
            "asctime": "at",
            "levelname": "level",
            "message": "event",
            "name": "logger",
            "exc_info": "traceback",
        },
        json_ensure_ascii=False,
    )


def _add_context(record: logging.LogRecord) -> bool:
    """Give ``record`` the fields of the context; drop it if it shows an actor's arguments."""
    for name, value in _context.get().items():
        # What the record itself says wins; a context can't break the standard attributes either.
        if name not in vars(record):
            setattr(record, name, value)
    # dramatiq/actor.py logs the arguments at debug level: payloads have no place in logs.
    return not (record.levelno == logging.DEBUG and isinstance(record.msg, str) and record.msg.startswith(_ARGUMENTS))


def _time_of(record: logging.LogRecord) -> str:
    return to_rfc3339(datetime.fromtimestamp(record.created, UTC))


def _one_line(text: str) -> str:
    """Return ``text`` with line breaks and control characters escaped, so that nobody can forge a record."""
    return text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _show(value: object) -> str:
    if isinstance(value, bool | dict | list | tuple):
        return _one_line(json.dumps(value, default=str, ensure_ascii=False))
    text = str(value)
    plain = text != "" and text.isprintable() and not any(char in text for char in ' "=')
    return text if plain else _one_line(json.dumps(text, ensure_ascii=False))
