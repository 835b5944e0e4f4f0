"""One attempt at a crontab line: its command, with the environment, limits and outcome cron users expect."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from helperhub import Context
from helperhub_crontab.naming import program_name
from helperhub_crontab.output import BoundedOutput
from helperhub_crontab.process import CommandProcess, Start
from helperhub_crontab.settings import CrontabSettings
from helperhub_crontab.users import User, current_user, find_user, refuse_user

#: What cron gives commands (crontab(5)), and so all they may count on.
DEFAULT_PATH = "/usr/bin:/bin"
_CANCEL_POLL_SECONDS = 1.0
#: The hub keeps 8 KiB of an error; the message and traceback need some of it.
_NOTE_BYTES = 6144


class CommandFailed(Exception):
    """A command that didn't end well.

    Args:
        message: One line: which command, what happened, its last line of output.
        exit_code: Its exit code, minus the signal that killed it, or None if it never ended by itself.
        output: What it printed, within bounds.
    """

    def __init__(self, message: str, *, exit_code: int | None = None, output: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.output = output

    @classmethod
    def build(cls, what: str, output: BoundedOutput, *, exit_code: int | None = None) -> Self:
        """Return the failure ``what`` with the last line of ``output`` in its message and all of it in a note."""
        last_line = output.last_line()
        error = cls(f"{what}: {last_line}" if last_line else what, exit_code=exit_code, output=output.text())
        _note_output(error, output)
        return error


class CommandTimedOut(CommandFailed):
    """A command that ran into its time limit."""


class _Stopped(Exception):
    """Leaves the ``with`` block of a command, so that its processes are stopped."""

    def __init__(self, kind: type[CommandFailed], why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why


class CommandPayload(BaseModel):
    """What an execution is given."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    command: str
    stdin: str | None = None
    shell: str | None = None
    env: dict[str, str] = {}
    user: str | None = None
    cwd: str | None = None
    source: str = ""
    mailto: str | None = None


def run_command(ctx: Context[CrontabSettings]) -> dict[str, Any]:
    """Run the command of the payload and return its exit code, output and duration.

    Raises:
        CommandFailed: It can't be started, exits with another code than 0, is killed or cancelled.
        CommandTimedOut: It ran into its time limit.
    """
    settings: CrontabSettings | None = ctx.settings  # a Context made by hand may have none
    settings = settings or CrontabSettings()
    payload = ctx.payload if isinstance(ctx.payload, CommandPayload) else CommandPayload.model_validate(ctx.payload)
    name = program_name(payload.command)
    output = BoundedOutput(settings.max_output)
    started = time.monotonic()
    try:
        code = _run(ctx, _prepare(payload, settings), output, name)
    except BaseException as error:
        if _is_time_limit(error):
            # The hub's own exception carries no output, and after a time limit it is wanted most.
            what = f"{name} was stopped at its time limit"
            raise CommandTimedOut.build(what, output) from None
        if not isinstance(error, CommandFailed):
            _note_output(error, output)
        raise
    duration_ms = round((time.monotonic() - started) * 1000)
    if code != 0:
        what = f"{name} {describe_exit(code)}"
        raise CommandFailed.build(what, output, exit_code=code)
    return {"exit_code": code, "output": output.text(), "truncated": output.truncated, "duration_ms": duration_ms}


def describe_exit(code: int) -> str:
    """Return how a command ended, from its exit code or minus the signal's number."""
    if code < 0:
        return f"was killed by {_signal_name(-code)}"
    # Shells report a signal as 128 + its number.
    return f"exited with {code}" + (f" ({_signal_name(code - 128)})" if 128 < code <= 128 + 31 else "")


def build_environment(payload: CommandPayload, user: User, *, shell: str) -> dict[str, str]:
    """Return the environment cron gives: four variables, and those of the file over them."""
    environment = {"HOME": user.home, "SHELL": shell, "PATH": DEFAULT_PATH, **payload.env}
    return {**environment, "LOGNAME": user.name}


def _run(ctx: Context[CrontabSettings], start: Start, output: BoundedOutput, name: str) -> int:
    process = CommandProcess(start, output)
    try:
        with process:
            _follow(process, ctx)
    except _Stopped as stopped:  # built only now: what the command said last is in the output
        what = f"{name} {stopped.why}"
        raise stopped.kind.build(what, output) from None
    except OSError as error:
        what = f"{name} can't be started: {error.strerror or error} ({error.filename})"
        raise CommandFailed.build(what, output) from error
    code = process.exit_code
    if code is None:
        what = f"{name} survives SIGKILL"
        raise CommandFailed.build(what, output)
    return code


def _follow(process: CommandProcess, ctx: Context[CrontabSettings]) -> None:
    """Return when the command has ended; raise `_Stopped` when it must not go on."""
    left = (ctx.deadline_at - datetime.now(UTC)).total_seconds() if ctx.deadline_at else float("inf")
    deadline = time.monotonic() + left
    next_poll = time.monotonic() + _CANCEL_POLL_SECONDS
    while process.pump():
        now = time.monotonic()
        if now >= deadline:
            raise _Stopped(CommandTimedOut, "was stopped at its time limit")
        if now >= next_poll:
            next_poll = now + _CANCEL_POLL_SECONDS
            if ctx.cancelled:
                raise _Stopped(CommandFailed, "was stopped, the execution was cancelled")


def _is_time_limit(error: BaseException) -> bool:
    from dramatiq.middleware import TimeLimitExceeded  # noqa: PLC0415 - reading a crontab must not cost the import

    return isinstance(error, TimeLimitExceeded)


def _prepare(payload: CommandPayload, settings: CrontabSettings) -> Start:
    current = current_user()
    user, identity = _identity(payload.user, current)
    shell = payload.shell or settings.shell
    environment = build_environment(payload, user, shell=shell)
    return Start(
        arguments=(shell, "-c", payload.command),
        env=environment,
        cwd=payload.cwd or payload.env.get("HOME") or _existing(user.home),
        stdin=None if payload.stdin is None else payload.stdin.encode(),
        identity=identity,
    )


def _existing(home: str) -> str:
    # System users are often given a home that nobody made; their commands run all the same.
    return home if Path(home).is_dir() else "/"


def _identity(name: str | None, current: User) -> tuple[User, Mapping[str, Any]]:
    if name is None:
        return current, {}
    # Asked again here: the worker may be another machine's, or another user's, than the one that adopted the line.
    reason = refuse_user(name, current)
    if reason:
        message = f"The command was not run: {reason[0]} {reason[1]}"
        raise CommandFailed(message)
    user = find_user(name) or current
    if user.uid == current.uid:
        return user, {}
    return user, {"user": user.uid, "group": user.gid, "extra_groups": os.getgrouplist(user.name, user.gid)}


def _note_output(error: BaseException, output: BoundedOutput) -> None:
    """Hang the output on ``error``: tracebacks end with its notes (PEP 678)."""
    shown = BoundedOutput(_NOTE_BYTES)
    shown.feed(output.text().encode())
    if text := shown.text().strip():
        error.add_note(f"Output:\n{text}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
