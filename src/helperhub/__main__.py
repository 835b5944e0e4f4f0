"""The ``helperhub`` command, also as ``python -m helperhub``."""

import gc

from helperhub.cli.main import command

#: Python's own is 700 (2,000 from 3.14 on), meant for small programs: importing alone makes a hundred thousand objects
#: that live for ever, and looking for garbage among them was a tenth of every start.
OBJECTS_BEFORE_A_LOOK = 50_000


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    gc.set_threshold(OBJECTS_BEFORE_A_LOOK)
    command(prog_name="helperhub")


if __name__ == "__main__":
    main()
