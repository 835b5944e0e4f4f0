"""The ``helperhub`` command, also as ``python -m helperhub``."""

from helperhub.cli.main import command


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    command(prog_name="helperhub")


if __name__ == "__main__":
    main()
