"""The whole command: what it costs, what it lists, how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import helperhub
from helperhub.cli import run_scheduler, run_up, run_worker
from helperhub.cli.main import COMMANDS, RootGroup, command
from helperhub.errors import HelperHubError, NotFound

Call = Callable[..., Result]
_HEAVY = ("dramatiq", "redis", "rich", "pydantic", "pluggy", "apscheduler", "orjson", "asyncio")


def walk(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from walk(found, (*path, name))
        else:
            yield (*path, name), found


def test_help_imports_nothing_that_commands_need() -> None:
    code = f"""
import sys
from helperhub.cli.main import command
command(["--help"], standalone_mode=False)
sys.stderr.write(",".join(name for name in {_HEAVY!r} if name in sys.modules))
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert "helpers " in done.stdout


def test_help_lists_every_command_but_the_internal_one(call: Call) -> None:
    result = call("--help")

    listed = {line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ") and line.strip()}
    assert set(COMMANDS) - {"worker-process"} <= listed
    assert "worker-process" not in result.stdout


def test_every_command_can_be_imported_and_explains_itself(call: Call) -> None:
    for words, found in walk(command):
        assert found.get_short_help_str(), words
        assert call(*words, "--help").exit_code == 0, words


def test_every_command_but_processes_answers_in_json() -> None:
    without = {words for words, found in walk(command) if not any("--json" in param.opts for param in found.params)}

    # An export is a document a line, or a table, whatever is asked for.
    processes = {("up",), ("worker",), ("scheduler",), ("worker-process",), ("web",), ("archiver",)}
    assert without == processes | {("audit", "export"), ("executions", "export")}


def test_unknown_command_is_refused_with_one_that_it_resembles(call: Call) -> None:
    result = call("helprs")

    assert result.exit_code == 2
    assert "Did you mean 'helpers'?" in result.stderr


def test_version_is_the_packages(call: Call) -> None:
    assert call("--version").stdout == f"helperhub {helperhub.__version__}\n"


def test_python_m_helperhub_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "helperhub", "--version"], capture_output=True, text=True, check=True)

    assert done.stdout == f"helperhub {helperhub.__version__}\n"


def test_closed_pipe_ends_the_command_without_a_traceback() -> None:
    words = [sys.executable, "-m", "helperhub", "next", "every 1s", "--count", "10000"]

    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()

    assert complaint == ""


@pytest.mark.parametrize(
    ("failure", "code", "stderr"),
    [
        (
            NotFound("No helper is named 'x'.", hint="See the list."),
            3,
            "helperhub: No helper is named 'x'. See the list.\n",
        ),
        (HelperHubError("It failed."), 1, "helperhub: It failed.\n"),
        (KeyboardInterrupt(), 130, "\nhelperhub: interrupted\n"),
        (click.Abort(), 130, "\nhelperhub: interrupted\n"),
        (click.UsageError("What?"), 2, None),
    ],
)
def test_failure_is_told_on_stderr_and_decides_the_exit_code(
    failure: BaseException, code: int, stderr: str | None
) -> None:
    result = CliRunner().invoke(group_with(failure), ["fail"])

    assert (result.exit_code, result.stdout) == (code, "")
    assert stderr is None or result.stderr == stderr


def test_unexpected_failure_keeps_its_traceback() -> None:
    result = CliRunner().invoke(group_with(ZeroDivisionError("a bug")), ["fail"])

    assert isinstance(result.exception, ZeroDivisionError)


def test_what_a_command_returns_is_the_exit_code() -> None:
    assert CliRunner().invoke(group_with(7), ["fail"]).exit_code == 7
    assert CliRunner().invoke(group_with(None), ["fail"]).exit_code == 0


def group_with(outcome: BaseException | int | None) -> click.Group:
    """Return a command line whose one command ends with ``outcome``."""

    @click.command()
    def fail() -> int | None:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return RootGroup("root", commands={"fail": fail})


@pytest.mark.parametrize(
    ("words", "module", "function", "expected"),
    [
        (["up", "--demo", "--for", "90s"], run_up, "run_up", {"demo": True, "duration": timedelta(seconds=90)}),
        (["up"], run_up, "run_up", {"demo": False, "duration": None}),
        (["scheduler"], run_scheduler, "run_scheduler", {"exclusive": False}),
        (["worker-process"], run_worker, "run_worker_process", {}),
        (
            ["worker", "--processes", "2", "--threads", "4", "--queues", "high, low", "--queues", "x", "--burst"],
            run_worker,
            "run_worker",
            {
                "processes": 2,
                "threads": 4,
                "queues": ("high", "low", "x"),
                "burst": True,
                "max_executions": None,
                "max_idle": None,
            },
        ),
    ],
)
def test_process_command_hands_its_options_on_and_exits_as_it_is_told(
    call: Call, monkeypatch: pytest.MonkeyPatch, words: list[str], module: Any, function: str, expected: dict[str, Any]
) -> None:
    given: dict[str, Any] = {}

    def record(**options: Any) -> int:
        given.update(options)
        return 78

    monkeypatch.setattr(module, function, record)

    result = call(*words)

    assert result.exit_code == 78
    assert given == {"env_files": None, **expected}


def test_public_names_are_there_before_they_are_loaded() -> None:
    code = "import sys, helperhub; sys.stdout.write(' '.join([*dir(helperhub), *sys.modules]))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    names = set(done.stdout.split())
    assert set(helperhub.__all__) <= names
    assert not {"helperhub.errors", *_HEAVY} & names


@pytest.mark.parametrize("name", helperhub.__all__)
def test_public_name_is_loaded_on_first_use(name: str) -> None:
    assert getattr(helperhub, name) is not None


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Helpr'"):
        _ = helperhub.Helpr  # type: ignore[attr-defined]
