"""Little distributions that are really installed: a module and its metadata in a directory on ``sys.path``."""

from __future__ import annotations

import sys
import textwrap
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helperhub.plugins.loader import Plugins, load_plugins
from helperhub.settings import load_settings, plugin_settings

#: What every plugin here begins with.
HEAD = """
from datetime import timedelta
from helperhub import Context, Cron, Daily, Every, Overlap, RetryPolicy, helper, hookimpl
from pydantic import BaseModel
"""
GOOD = """
@helper
def {name}(ctx):
    return "ran"

@hookimpl
def helperhub_register(hub):
    hub.add({name})
"""


class Site:
    """A directory of installed distributions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.modules: list[str] = []
        #: Plugins that hang at import do so until this file is there.
        self.release = path / "release"

    def install(self, name: str, code: str, *, version: str = "1.0", distribution: str = "") -> None:
        """Install a distribution whose entry point ``name`` is a module of ``code``."""
        distribution = distribution or f"helperhub-{name}"
        # A name of its own for each: a plugin that hangs holds the import lock of its module's name.
        module = f"plugin_{uuid.uuid4().hex[:8]}"
        self.modules.append(module)
        (self.path / f"{module}.py").write_text(HEAD + textwrap.dedent(code))
        info = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[helperhub]\n{name} = {module}\n")

    def install_good(self, *names: str) -> None:
        """Install a plugin with one helper for each name."""
        for name in names:
            self.install(name, GOOD.format(name=name))

    def load(
        self, *blocked: str, timeout: timedelta = timedelta(seconds=10), timezone: str = "UTC", **variables: str
    ) -> Plugins:
        """Load what is installed here, and nothing that is installed beside the tests."""
        loaded = load_settings([], variables, plugin_sections=lambda: ["weather"])

        def settings_of(plugin: str, model: type[Any], /) -> Any:
            return plugin_settings(plugin, model, loaded)

        points = [point for point in _entry_points() if point.module in self.modules]
        return load_plugins(
            blocked=blocked, settings_of=settings_of, timezone=timezone, timeout=timeout, entry_points=points
        )


def _entry_points() -> Any:
    from importlib.metadata import entry_points  # noqa: PLC0415 - sees the site only once it is on the path

    return entry_points(group="helperhub")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty directory on ``sys.path``; what was imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    found = Site(tmp_path)
    yield found
    found.release.touch()
    for module in found.modules:
        sys.modules.pop(module, None)
