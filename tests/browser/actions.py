"""Every action that a page offers, read from the templates: so none can be forgotten.

An action is written ``template path``: the path below ``/ui/`` that a button, form or download of that template asks
for, with ``*`` for what the server puts in. A test says by ``@pytest.mark.acts(...)`` which it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import helperhub.web

TEMPLATES = Path(helperhub.web.__file__).parent / "templates"
_CHANGES = ("hx-post", "hx-put", "hx-patch", "hx-delete")
_ASKS = ("hx-get", "action")
#: A part of a page that renews itself is no action, but these are.
_ACTING = ("button", "form", "input", "select", "a")
_SHOWN = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_DONE = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_CALL = re.compile(r"\s*ui\((.*)\)(.*)", re.DOTALL)
_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def actions() -> set[str]:
    """Return all of them."""
    return {
        f"{template.name} {path}"
        for template in sorted(TEMPLATES.rglob("*.html"))
        for path in _paths_in(template.read_text())
    }


def _paths_in(source: str) -> Iterator[str]:
    found = _Reader()
    found.feed(_DONE.sub("", _SHOWN.sub(lambda shown: _write(shown[1]), source)))
    yield from found.paths


def _write(expression: str) -> str:
    """Return what an expression may show: its texts as they are, ``*`` for all else."""
    call = _CALL.fullmatch(expression)
    if call is None:
        return "*"
    parts = [part.strip() for part in call[1].split("~")]
    path = "".join((text[1] or text[2] or "") if (text := _TEXT.fullmatch(part)) else "*" for part in parts if part)
    return f"ui:{path}"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.paths: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element asks for when somebody uses it."""
        given = {name: value or "" for name, value in attrs}
        asked = [given[name] for name in _CHANGES if name in given]
        asked += [given[name] for name in _ASKS if name in given and tag in _ACTING]
        asked += [given["href"]] if tag == "a" and "download" in given else []
        for path in asked:
            if path.startswith("ui:"):
                self.paths.add(re.sub(r"\*+", "*", path.removeprefix("ui:").partition("?")[0]))
