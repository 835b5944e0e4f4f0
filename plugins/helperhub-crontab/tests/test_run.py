from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dramatiq.middleware import TimeLimitExceeded

from helperhub import Context
from helperhub_crontab.run import CommandFailed, CommandTimedOut, run_command
from helperhub_crontab.settings import CrontabSettings
from helperhub_crontab.users import User


def run(command: str, *, context: dict[str, Any] | None = None, max_output: int = 32_768, **payload: Any) -> Any:
    settings = CrontabSettings(max_output=max_output)
    return run_command(Context(payload={"command": command, **payload}, settings=settings, **(context or {})))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def wait_for(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupt(thread: threading.Thread) -> None:
    """Raise in ``thread`` what the hub raises at the time limit, in the way it does."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeLimitExceeded))


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    """A file where commands write their process ids."""
    return tmp_path / "pids"


def written(pids: Path, count: int) -> list[int]:
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == count)
    return [int(pid) for pid in pids.read_text().split()]


def test_success_answers_exit_code_output_in_order_and_duration() -> None:
    result = run("echo out; echo err >&2; echo out again")

    assert result["exit_code"] == 0
    assert result["output"] == "out\nerr\nout again\n"
    assert result["truncated"] is False
    assert 0 <= result["duration_ms"] < 10_000


def test_failure_names_the_command_its_code_and_its_last_words_and_keeps_the_output() -> None:
    with pytest.raises(CommandFailed) as caught:
        run("printf 'first\\nno space left\\n\\n'; exit 3")

    error = caught.value
    assert str(error) == "printf exited with 3: no space left"
    assert (error.exit_code, error.output) == (3, "first\nno space left\n\n")
    assert "Output:\nfirst\nno space left" in "".join(traceback.format_exception(error))


def test_signal_that_killed_a_command_is_named() -> None:
    with pytest.raises(CommandFailed, match="was killed by SIGKILL"):
        run("kill -9 $$")
    with pytest.raises(CommandFailed, match=r"exited with 137 \(SIGKILL\)"):
        run("sh -c 'kill -9 $$'; exit $?")


def test_environment_is_cron_s_and_the_file_s_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_WORKER", "x")
    me = pwd.getpwuid(os.geteuid())

    output = run("env | sort", env={"TZ": "Asia/Tokyo", "MAILTO": "ops"}, cwd="/")["output"]

    found = dict(line.split("=", 1) for line in output.splitlines())
    assert found.pop("PWD") == "/"  # the shell's own
    found.pop("_", None)
    found.pop("SHLVL", None)
    assert found == {
        "HOME": me.pw_dir,
        "LOGNAME": me.pw_name,
        "SHELL": "/bin/sh",
        "PATH": "/usr/bin:/bin",
        "TZ": "Asia/Tokyo",
        "MAILTO": "ops",
    }


def test_command_starts_in_home(tmp_path: Path) -> None:
    assert run("pwd", env={"HOME": str(tmp_path)})["output"] == f"{tmp_path}\n"


def test_stdin_is_given_and_empty_by_default() -> None:
    assert run("cat", stdin="one\ntwo\n")["output"] == "one\ntwo\n"
    assert run("cat")["output"] == ""


def test_large_stdin_and_output_do_not_block_each_other() -> None:
    result = run("cat", stdin="0123456789\n" * 300_000, max_output=1024)

    assert result["truncated"] is True
    assert result["output"].endswith("0123456789\n")


def test_stdin_that_nobody_reads_is_no_failure() -> None:
    assert run("true", stdin="x" * 1_000_000)["exit_code"] == 0


def test_output_closed_early_does_not_end_the_execution(pids: Path) -> None:
    run(f"exec >&- 2>&-; sleep 0.5; echo $$ > {pids}")

    assert pids.exists()


def test_flood_of_output_is_bounded() -> None:
    result = run("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo end", max_output=2048)

    assert result["truncated"] is True
    assert len(result["output"]) < 2200
    assert result["output"].endswith("end\n")


def test_shell_or_directory_that_is_missing_is_named() -> None:
    with pytest.raises(CommandFailed, match=r"can't be started: No such file or directory .*/no/shell"):
        run("true", shell="/no/shell")  # noqa: S604 - a setting of that name
    with pytest.raises(CommandFailed, match=r"can't be started: No such file or directory .*/no/home"):
        run("true", cwd="/no/home")


def test_background_process_does_not_hold_the_execution_and_goes_on_with_a_reader(pids: Path, tmp_path: Path) -> None:
    command = f"(sleep 1; echo late; echo late; touch {tmp_path}/survived) & echo $! > {pids}; echo started"

    result = run(command)

    assert result["output"] == "started\n"
    assert result["duration_ms"] < 950
    wait_for((tmp_path / "survived").exists)


def test_output_that_comes_right_after_the_end_is_kept() -> None:
    assert run("(sleep 0.1; echo last words) & exit 0")["output"] == "last words\n"


def test_time_limit_stops_the_whole_process_group_and_keeps_the_output(pids: Path) -> None:
    deadline_at = datetime.now(UTC) + timedelta(seconds=1)
    command = f"echo working; sleep 60 & echo $! $$ >> {pids}; wait"

    with pytest.raises(CommandTimedOut, match=r"^echo was stopped at its time limit: working") as caught:
        run(command, context={"deadline_at": deadline_at})

    assert not any(alive(pid) for pid in written(pids, 2))
    assert "Output:\nworking" in "".join(traceback.format_exception(caught.value))


def test_command_gets_sigterm_first_and_its_last_words_are_kept(pids: Path) -> None:
    deadline_at = datetime.now(UTC) + timedelta(seconds=0.5)
    command = f"trap 'echo cleaned up; exit 1' TERM; echo $$ > {pids}; while :; do sleep 0.1; done"

    with pytest.raises(CommandTimedOut) as caught:
        run(command, context={"deadline_at": deadline_at})

    assert "cleaned up" in "".join(traceback.format_exception(caught.value))


def test_all_that_a_stopped_command_says_at_its_end_is_read(pids: Path) -> None:
    deadline_at = datetime.now(UTC) + timedelta(seconds=0.5)
    last_words = "head -c 400000 /dev/zero | tr \\\\0 x; echo; echo finished; exit 1"
    command = f"trap '{last_words}' TERM; echo $$ > {pids}; while :; do sleep 0.1; done"

    with pytest.raises(CommandTimedOut, match=r"time limit: finished"):
        run(command, context={"deadline_at": deadline_at})


def test_command_that_ignores_sigterm_is_killed(pids: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helperhub_crontab.process.GRACE_SECONDS", 0.5)
    deadline_at = datetime.now(UTC) + timedelta(seconds=0.5)
    command = f"trap '' TERM; sh -c 'echo $$ >> {pids}; while :; do sleep 1; done' & echo $$ >> {pids}; wait"

    with pytest.raises(CommandTimedOut):
        run(command, context={"deadline_at": deadline_at})

    wait_for(lambda: not any(alive(pid) for pid in written(pids, 2)))


def test_cancelled_execution_stops_its_processes_within_seconds(pids: Path) -> None:
    with pytest.raises(CommandFailed, match="cancelled"):
        run(f"sleep 60 & echo $! $$ >> {pids}; wait", context={"_is_cancelled": pids.exists})

    assert not any(alive(pid) for pid in written(pids, 2))


def test_interruption_from_outside_leaves_no_process_behind(pids: Path) -> None:
    ended: list[BaseException] = []

    def work() -> None:
        try:
            run(f"echo working; sleep 60 & echo $! $$ >> {pids}; wait")
        except CommandTimedOut as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    written(pids, 2)
    interrupt(thread)
    thread.join(15)

    assert len(ended) == 1
    assert not any(alive(pid) for pid in written(pids, 2))
    assert "Output:\nworking" in "".join(traceback.format_exception(ended[0]))


def test_interruption_while_a_command_is_being_started_leaves_no_process_behind(
    pids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time limit that struck inside the call that starts the command left the command running."""
    real, started, struck = subprocess.Popen, threading.Event(), threading.Event()

    def start_slowly(*args: Any, **options: Any) -> Any:
        process = real(*args, **options)
        started.set()
        wait_for(struck.is_set)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_slowly)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            run(f"echo $$ >> {pids}; sleep 60")
        except CommandTimedOut as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(10)
    interrupt(thread)
    struck.set()
    thread.join(15)

    assert len(ended) == 1
    assert not any(alive(pid) for pid in written(pids, 1))


def test_interruption_while_a_command_cleans_up_does_not_cut_it_short(pids: Path, tmp_path: Path) -> None:
    ended: list[BaseException] = []
    command = (
        f"trap 'echo bye; touch {tmp_path}/began; sleep 1; touch {tmp_path}/cleaned; exit' TERM; echo $$ > {pids}; "
    )

    def work() -> None:
        try:
            run(command + "while :; do sleep 0.1; done")
        except CommandTimedOut as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    written(pids, 1)
    interrupt(thread)
    wait_for((tmp_path / "began").exists)
    interrupt(thread)
    thread.join(15)

    assert (tmp_path / "cleaned").exists()
    assert str(ended[0]) == "trap was stopped at its time limit: bye"


def test_killed_worker_leaves_no_process_behind(pids: Path) -> None:
    script = (
        "from helperhub import Context\n"
        "from helperhub_crontab.run import run_command\n"
        f"run_command(Context(payload={{'command': 'sleep 60 & echo $! $$ >> {pids}; wait'}}))\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", script])
    started = written(pids, 2)
    time.sleep(0.3)  # the guard is started right after the command

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    wait_for(lambda: not any(alive(pid) for pid in started))


def test_command_runs_as_the_line_s_user_when_root_and_is_refused_otherwise() -> None:
    other = "nobody" if os.geteuid() == 0 else "root"

    if os.geteuid() == 0:
        output = run("id -un; id -Gn; echo $LOGNAME $HOME", user=other, cwd="/")["output"]
        assert output.splitlines()[0] == "nobody"
        assert "root" not in output.splitlines()[1].split()
        assert output.splitlines()[2] == f"nobody {pwd.getpwnam('nobody').pw_dir}"
    else:
        with pytest.raises(CommandFailed, match="only root"):
            run("true", user=other)


def test_command_of_a_user_without_a_home_starts_in_the_root_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    homeless = User(name="svc", uid=os.geteuid(), gid=os.getegid(), home="/nonexistent")
    monkeypatch.setattr("helperhub_crontab.run.current_user", lambda: homeless)

    assert run("pwd; echo $HOME")["output"] == "/\n/nonexistent\n"


def test_payload_without_command_is_refused() -> None:
    with pytest.raises(ValueError, match="command"):
        run_command(Context(payload={"env": {}}))
