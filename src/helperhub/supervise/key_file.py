"""The signing keys of a data directory: a file for this user alone, a key a line, the first one signs."""

from __future__ import annotations

import os
from pathlib import Path

from helperhub.errors import ConfigurationError
from helperhub.supervise.data_dir import open_private
from helperhub.trust.keyring import KeyRing, new_key, parse_ring

KEY_FILE = "signing.key"
_OTHERS = 0o077


def read_key_file(data_dir: Path) -> KeyRing | None:
    """Return the keys of ``data_dir``, or None if it has none yet.

    Raises:
        ConfigurationError: Others may read the file, or it holds something else.
    """
    path = data_dir / KEY_FILE
    try:
        mode, text = path.stat().st_mode, path.read_text("ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        message = f"The signing keys {path} can't be read: {error}."
        raise ConfigurationError(message) from error
    if mode & _OTHERS:
        message = f"The signing keys {path} can be read by other users."
        raise ConfigurationError(message, hint=f"Take that away with 'chmod 600 {path}', and rotate the key.")
    try:
        return parse_ring(",".join(text.split()))
    except ValueError as error:
        message = f"The signing keys {path} can't be used: {error}"
        raise ConfigurationError(message, hint="One line a key, id:base64.") from error


def make_key_file(data_dir: Path, key_id: str) -> None:
    """Give ``data_dir`` a key if it has none.

    Raises:
        ConfigurationError: The file that is there can't be used.
    """
    if read_key_file(data_dir) is None:
        write_key_file(data_dir, KeyRing((new_key(key_id),)))


def write_key_file(data_dir: Path, ring: KeyRing) -> None:
    """Write the keys of ``data_dir``; a reader sees the old ones or the new ones, whole."""
    path = data_dir / KEY_FILE
    beside = path.with_suffix(".tmp")
    # What a killed writer left behind may have another mode.
    beside.unlink(missing_ok=True)
    with open(beside, "x", opener=open_private) as file:
        file.writelines(f"{key}\n" for key in ring.keys)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


__all__ = ["KEY_FILE", "make_key_file", "read_key_file", "write_key_file"]
