"""A real server for tests: started in 0.1 s, thrown away afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from helperhub.supervise.embedded import EmbeddedServer


class ServerForTests:
    """A server in a temporary directory, for a ``with`` block in the main thread.

    Args:
        aof: Keep what is written on disk, as the embedded server does, so that it survives `kill`.
        arguments: More of the server's own options, such as ``("--maxmemory", "64mb")``.
    """

    def __init__(self, *, aof: bool = False, arguments: Sequence[str] = ()) -> None:
        self._aof = aof
        self._arguments = tuple(arguments)
        self._server: EmbeddedServer | None = None
        self._directory: Path | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self._directory = Path(tempfile.mkdtemp(prefix="helperhub-"))
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self._directory)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove its directory."""
        if self._server is not None:
            self.kill()
        shutil.rmtree(self.directory)

    @property
    def directory(self) -> Path:
        """The server's data directory."""
        if self._directory is None:
            message = "ServerForTests is used outside of its with block"
            raise RuntimeError(message)
        return self._directory

    @property
    def url(self) -> str:
        """The server's URL; a restart keeps it."""
        return self._running.url

    @property
    def pid(self) -> int:
        """The server's process id; a restart changes it."""
        return self._running.pid

    def start(self) -> None:
        """Start the server again after `stop` or `kill`."""
        self._server = EmbeddedServer.start(self.directory, append_only=self._aof, extra_arguments=self._arguments)

    def stop(self) -> None:
        """End the server as an operator would."""
        self._running.stop()
        self._server = None

    def kill(self) -> None:
        """End the server as the OOM killer would; without ``aof`` all it held is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def restart(self) -> None:
        """Stop the server if it runs, and start it again."""
        if self._server is not None:
            self.stop()
        self.start()

    @property
    def _running(self) -> EmbeddedServer:
        if self._server is None:
            message = "the server is stopped"
            raise RuntimeError(message)
        return self._server
