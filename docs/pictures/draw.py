# ruff: noqa: INP001 - a script, not a package
"""Draws the pictures of the README from a real run: ``python docs/pictures/draw.py``.

It starts ``helperhub up --demo`` on a terminal of its own, runs some commands beside it, and draws
what the terminals showed. Needs helperhub-checkin and helperhub-crontab beside helperhub.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import tempfile
import termios
import threading
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
COLUMNS = 118
RUN_S = 40
COMMANDS = ("helpers list", "plan list --limit 5", "queues list", "doctor")
#: rich's own format asks a server on the internet for its font.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
)


def show(command: str, environ: dict[str, str]) -> str:
    """Run a command on a terminal of its own and return what that shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    process = subprocess.Popen(  # noqa: S603 - the commands of this file
        command.split(), stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, env=environ
    )
    os.close(theirs)
    shown = io.BytesIO()
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not read:
            break
        shown.write(read)
    process.wait()
    os.close(ours)
    return shown.getvalue().decode().replace("\r\n", "\n").replace(environ["HOME"], "~")


def draw(name: str, title: str, text: str) -> None:
    """Write what a terminal showed as an SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text.rstrip()), soft_wrap=False)
    drawn = console.export_svg(title=title, theme=MONOKAI, code_format=FORMAT, unique_id=f"helperhub-{name}")
    (HERE / f"{name}.svg").write_text(drawn)


def main() -> None:
    """Run the demonstration and draw it."""
    home = tempfile.mkdtemp(prefix="pictures-")
    left_out = ("HELPERHUB_", "XDG_", "REDIS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}  # noqa: TID251
    environ = {
        **kept,
        "HOME": home,
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm-256color",
        # It needs a place to ask for; the demonstration doesn't use it.
        "HELPERHUB_PLUGINS__BLOCKED": "weather",
    }
    up: list[str] = []
    thread = threading.Thread(target=lambda: up.append(show(f"helperhub up --demo --for {RUN_S}s", environ)))
    thread.start()
    # Look when the minute's crontab lines have run, late enough for a check to be given up.
    time.sleep(RUN_S - 10)
    beside = {**environ, "HELPERHUB_HUB": "demo"}
    shown = [f"\x1b[1m$ helperhub {command}\x1b[0m\n{show(f'helperhub {command}', beside)}\n" for command in COMMANDS]
    thread.join()
    draw("up", "helperhub up --demo", f"\x1b[1m$ helperhub up --demo\x1b[0m\n{up[0]}")
    draw("beside", "helperhub", "".join(shown))
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
