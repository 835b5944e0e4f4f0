"""What modules may import, and what importing them may not do."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "helperhub"
#: Imports every module but the one that Dramatiq's own command is told to import, and watches what happens.
IMPORT_ALL = """
import dramatiq.broker, importlib, os, pkgutil, sys, threading, helperhub

told = []

def watch_sockets(event, args):
    if event in {"socket.connect", "socket.bind", "subprocess.Popen", "os.fork"}:
        told.append(f"{event} {args}")

def watch_environment(read):
    def watched(self, key):
        frame = sys._getframe(1)
        while frame.f_globals["__name__"] in {"os", "_collections_abc", "collections.abc"}:
            frame = frame.f_back
        if frame.f_globals["__name__"].startswith("helperhub"):
            told.append(f"{frame.f_globals['__name__']} reads {key} from the environment")
        return read(self, key)
    return watched

sys.addaudithook(watch_sockets)
type(os.environ).__getitem__ = watch_environment(type(os.environ).__getitem__)
environ = dict(os.environ)
names = [found.name for found in pkgutil.walk_packages(helperhub.__path__, "helperhub.")]
for name in names:
    if name != "helperhub.actors":
        importlib.import_module(name)
assert len(names) > 80, names
assert dramatiq.broker.global_broker is None, "a global broker was set"
assert threading.active_count() == 1, threading.enumerate()
assert dict(os.environ) == environ, "the environment was changed"
assert not told, told
"""


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", sorted((PACKAGE / "model").glob("*.py")), ids=lambda path: path.stem)
def test_model_stands_on_the_standard_library_and_the_errors(path: Path) -> None:
    others = {name for name in imported_modules(path) if name.split(".")[0] not in sys.stdlib_module_names}

    assert {name for name in others if not name.startswith(("helperhub.model.", "helperhub.errors"))} == set()


def test_errors_stand_on_nothing() -> None:
    others = {name for name in imported_modules(PACKAGE / "errors.py") if name not in sys.stdlib_module_names}

    assert others == set()


def test_rules_of_time_ask_no_clock() -> None:
    # `now` is an argument there, so that every rule can be tried at any moment.
    for path in (*(PACKAGE / "schedules").glob("*.py"), *(PACKAGE / "model").glob("*.py")):
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
        asked = calls & {"datetime.now", "datetime.utcnow", "time.time", "time.monotonic", "date.today"}
        assert not asked, path


def test_importing_any_module_but_actors_has_no_effect() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_nobody_reads_or_writes_objects_that_run_code_when_they_are_read() -> None:
    """What comes from Redis may come from anybody: no pickle anywhere."""
    files = [*PACKAGE.rglob("*.py"), *(PACKAGE.parents[1] / "plugins").glob("*/src/**/*.py")]
    told = {
        f"{path.name}: {name}"
        for path in files
        for name in imported_modules(path)
        if name.split(".")[0] in {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml"}
        or name == "dramatiq.encoder"
    }
    called = {
        f"{path.name}: {node.func.id}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    }

    assert len(files) > 100
    assert told | called == set()
