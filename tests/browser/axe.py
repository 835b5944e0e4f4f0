"""axe-core, run in a page: what it finds wrong, as lines that say what and where."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  const tell = (node) => `    ${node.target.join(" ")}: ${node.html.slice(0, 200)}
      ${node.any.map((why) => why.message).join("; ")}`;
  return found.violations.map((one) => [`${one.id}: ${one.help}`, ...one.nodes.slice(0, 5).map(tell)].join("\\n"));
}"""


@cache
def _source() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def violations_of(page: Page) -> list[str]:
    """Return what is wrong with a page as it stands."""
    page.evaluate(_source())
    return list(page.evaluate(_RUN))
