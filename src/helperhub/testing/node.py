"""One server process on a loopback port: what Sentinel and Cluster are put together from in tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from helperhub.errors import StoreError, StoreUnavailable
from helperhub.store.connection import build_client, store_errors
from helperhub.supervise.embedded import die_with_parent, find_binary

_READY_S = 10.0


class Node:
    """A server in a directory of its own; its port stays when it is started again.

    Args:
        directory: Made if it isn't there.
        arguments: The server's own options.
        config: Text of a configuration file, for a Sentinel, which writes into it.
    """

    def __init__(self, directory: Path, arguments: Sequence[str] = (), *, config: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self._arguments = tuple(arguments)
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL of this very server."""
        return f"redis://{self.address}"

    @property
    def is_running(self) -> bool:
        """Whether it was started and not killed since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process id."""
        if self._process is None:
            message = "the server is stopped"
            raise RuntimeError(message)
        return self._process.pid

    def start(self) -> None:
        """Start it, and return once it answers; call it from the main thread."""
        command = [str(find_binary())]
        if self._config:
            file = self.directory / "node.conf"
            if not file.exists():
                file.write_text(self._config)
            command += [str(file), "--sentinel"]
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", "")
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the embedded server's binary, no shell
                [*command, *options[: 6 if self._config else 8], *self._arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - as the embedded server
            )
        wait_until(lambda: self._answers() or self._process is None or self._process.poll() is not None)
        if self._process.poll() is not None:
            message = f"the server didn't start: {(self.directory / 'log').read_text()[-2000:]}"
            raise RuntimeError(message)

    def kill(self) -> None:
        """End it as the OOM killer would."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def ask(self, *command: Any) -> Any:
        """Return this server's answer to one command.

        Raises:
            StoreError: It doesn't answer, or with an error.
        """
        with closing(build_client(self.url, retries=0)) as client, store_errors():
            return client.execute_command(*command)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except StoreError:
            return False


class Nodes(ABC):
    """Several servers that belong together, for a ``with`` block in the main thread."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start all, and wait until they know each other."""
        directory = Path(tempfile.mkdtemp(prefix="helperhub-"))
        self._stack.callback(shutil.rmtree, directory)
        try:
            self._join(directory)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all and remove their directories."""
        self._stack.close()

    @abstractmethod
    def _join(self, directory: Path) -> None:
        """Start the servers in ``directory``, and return once they are what they are to be."""

    def _start(self, node: Node) -> Node:
        self._stack.callback(node.kill)
        node.start()
        return node


def follows(replica: Node) -> bool:
    """Return whether a replica has all that its primary has.

    One that can't be asked doesn't: a Sentinel that tells a server whom to follow ends all its connections.
    """
    try:
        return bool(replica.ask("INFO", "replication").get("master_link_status") == "up")
    except StoreUnavailable:
        return False


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until(condition: Callable[[], object], *, seconds: float = _READY_S) -> None:
    """Wait until ``condition`` holds.

    Raises:
        TimeoutError: It didn't.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            message = f"waited {seconds:.0f} s in vain"
            raise TimeoutError(message)
        time.sleep(0.02)
