"""The variables: the process environment over env files, with where each came from."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from helperhub.errors import ConfigurationError

ENV_FILE_VARIABLE = "HELPERHUB_ENV_FILE"
DEFAULT_ENV_FILE = "settings.env"
PROCESS = "process environment"


def process_environment() -> Mapping[str, str]:
    """Return a copy of the environment of this process."""
    return dict(os.environ)  # noqa: TID251 - settings are the one place that reads it


def find_env_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that ``HELPERHUB_ENV_FILE`` names, else ``settings.env`` here if there is one.

    Args:
        environ: The process environment; several names are parted as in ``PATH``.
    """
    named = environ.get(ENV_FILE_VARIABLE, "")
    if named.strip():
        return tuple(Path(name) for name in named.split(os.pathsep) if name.strip())
    default = Path(DEFAULT_ENV_FILE)
    return (default,) if default.is_file() else ()


def merge_environment(files: Sequence[Path], environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return all variables, and for each where it came from (``file:line`` or the process).

    The process environment wins over files, a later file over an earlier one. An empty variable of
    the process counts as not set, so that ``HELPERHUB_X=${X:-}`` in a compose file hides nothing.

    Args:
        files: Env files, each of which must be there.
        environ: The process environment.

    Raises:
        ConfigurationError: A file can't be read or understood.
    """
    merged: dict[str, str] = {}
    sources: dict[str, str] = {}
    for path in files:
        for name, (value, line) in read_env_file(path).items():
            merged[name] = value
            sources[name] = f"{path}:{line}"
    for name, value in environ.items():
        if value or name not in merged:
            merged[name] = value
            sources[name] = PROCESS
    return merged, sources


def read_env_file(path: Path) -> dict[str, tuple[str, int]]:
    """Return the variables of one env file, each with the line it stands in.

    ``${NAME}`` in a value is replaced as python-dotenv does: by a variable of the file, else of the
    process; not in single quotes.

    Args:
        path: The file; ``~`` is the home directory.

    Raises:
        ConfigurationError: It is missing, can't be read, isn't UTF-8, or has a line that sets nothing.
    """
    text = _read_text(path)
    lines: dict[str, int] = {}
    for binding in parse_stream(io.StringIO(text)):
        statement = binding.original.string
        # The parser counts the blank lines before a statement as part of it.
        line = binding.original.line + statement[: len(statement) - len(statement.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            # The line itself may hold a secret, so only its number is told.
            message = f"Env file {path} can't be understood at line {line}."
            raise ConfigurationError(message, hint="Write NAME=value, and quote values that hold quotes or blanks.")
        if binding.key is not None:
            lines[binding.key] = line
    values = dotenv_values(stream=io.StringIO(text))
    return {name: (value or "", lines[name]) for name, value in values.items()}


def _read_text(path: Path) -> str:
    try:
        raw = path.expanduser().read_bytes()
    except FileNotFoundError as error:
        message = f"Env file {path} isn't there."
        raise ConfigurationError(message, hint=f"Mend the name, or take it out of {ENV_FILE_VARIABLE}.") from error
    except (OSError, RuntimeError) as error:
        message = f"Env file {path} can't be read: {error}."
        raise ConfigurationError(message) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"Env file {path} isn't UTF-8: line {line} has the byte 0x{raw[error.start]:02x}."
        raise ConfigurationError(message, hint="Save it as UTF-8.") from error
