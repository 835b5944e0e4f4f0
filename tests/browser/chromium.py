"""Finds a Chromium: the one that is named, one that Playwright has installed, or one on PATH.

Run as a command it prints the path, or says how to get one. It needs nothing installed, so that CI can ask it first.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

VARIABLE = "HELPERHUB_TEST_CHROMIUM"
HOW_TO_GET_IT = f"""\
The browser suite needs a Chromium. Have one installed (apt-get install chromium, or: pip install playwright &&
playwright install chromium), or name one: {VARIABLE}=/path/to/chromium"""
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OF_PLAYWRIGHT = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/Chromium.app/Contents/MacOS/Chromium")


def find_chromium(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where a Chromium is, or None.

    Raises:
        FileNotFoundError: The one that is named isn't there.
    """
    named = environ.get(VARIABLE)
    if named:
        if shutil.which(named) is None:
            message = f"{VARIABLE} names '{named}', which can't be run"
            raise FileNotFoundError(message)
        return Path(named)
    installed = sorted(
        found for folder in _folders(environ) for shape in _OF_PLAYWRIGHT for found in folder.glob(shape)
    )
    on_path = (shutil.which(name, path=environ.get("PATH")) for name in _NAMES)
    return next((Path(found) for found in (*reversed(installed), *on_path) if found), None)


def _folders(environ: Mapping[str, str]) -> Iterable[Path]:
    if environ.get("PLAYWRIGHT_BROWSERS_PATH"):
        return [Path(environ["PLAYWRIGHT_BROWSERS_PATH"])]
    home = Path(environ.get("HOME", "/nonexistent"))
    return [home / ".cache" / "ms-playwright", home / "Library" / "Caches" / "ms-playwright"]


if __name__ == "__main__":
    found = find_chromium()
    sys.stdout.write(f"{found or HOW_TO_GET_IT}\n")
    sys.exit(0 if found else 1)
