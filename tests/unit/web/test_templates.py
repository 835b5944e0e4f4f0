"""What every template must hold to, since a browser may act on it before or without its scripts."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

import helperhub.web

TEMPLATES = sorted((Path(helperhub.web.__file__).parent / "templates").rglob("*.html"))


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note each form."""
        if tag == "form":
            self.found.append(dict(attrs))


def _forms_of(template: Path) -> list[dict[str, str | None]]:
    reader = _Forms()
    reader.feed(template.read_text())
    return reader.found


@pytest.mark.parametrize("template", [one for one in TEMPLATES if _forms_of(one)], ids=lambda one: one.stem)
def test_form_that_changes_something_never_writes_its_fields_into_an_address(template: Path) -> None:
    for form in _forms_of(template):
        assert form.get("method") in ("get", "post", "dialog"), "a browser takes a form without a method for a get"
        if "hx-post" in form:
            assert (form["method"], form.get("action")) == ("post", form["hx-post"])
