"""Pictures of every page, in light, dark and on a phone, of a hub with a history of every kind.

Usage: python -m tests.browser.screenshots --out DIR [--only NAME ...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect
from tests.browser.history import make_history
from tests.browser.launch import DESK, PHONE, launched, sit_down
from tests.browser.past import add_past
from tests.browser.places import ALL, find_place
from tests.browser.running import RealHub, real_hub

#: How a picture is taken: theme, window, pixels to one of CSS's.
WAYS = {"light": ("light", DESK, 1), "dark": ("dark", DESK, 1), "phone": ("light", PHONE, 2)}
_MOST_HIGH = 4000


def main(argv: list[str]) -> int:
    """Take the pictures that are asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder that gets PAGE-WAY.png")
    parser.add_argument("--only", nargs="*", choices=ALL, default=ALL, help="these pages; default: all")
    given = parser.parse_args(argv)
    given.out.mkdir(parents=True, exist_ok=True)
    with real_hub() as running, make_history(running), launched() as chromium:
        add_past(running)
        for way in WAYS:
            _take_all(chromium, running, way, given.only, given.out)
    return 0


def _take_all(chromium: Browser, running: RealHub, way: str, names: list[str], folder: Path) -> None:
    theme, window, scale = WAYS[way]
    options: dict[str, Any] = {
        "color_scheme": theme,
        "viewport": window,
        "device_scale_factor": scale,
        "is_mobile": window is PHONE,
    }
    watched = sit_down(chromium, running, **options)
    for name in names:
        page = watched.open(find_place(running.hub, name))
        _wait_until_whole(page)
        file = folder / f"{name}-{way}.png"
        high = page.evaluate("document.documentElement.scrollHeight")
        page.screenshot(
            path=file, clip={"x": 0, "y": 0, "width": window["width"], "height": min(high, _MOST_HIGH)}, full_page=True
        )
        page.close()
        sys.stdout.write(f"{file}\n")
    watched.context.close()


def _wait_until_whole(page: Page) -> None:
    expect(page.locator("main h1").first).to_be_visible()
    for chart in page.locator("[hx-trigger^=load]").all():
        expect(chart.locator("h2").first).to_be_visible()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
