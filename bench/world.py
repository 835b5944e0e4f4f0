"""One side on a fresh server: enqueues by its agent, starts its workers, reads what the server says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from bench.environments import python_of
from bench.processes import cpu_s, tree_of
from bench.rivals.work import DONE, MARKS
from bench.sides import Side
from helperhub.supervise.embedded import die_with_parent
from helperhub.testing import ServerForTests
from helperhub.testing.running import KNOWN_KEYS

ROOT = Path(__file__).parents[1]
_LOOK_S = 0.005


@dataclass(frozen=True, slots=True)
class Moment:
    """Where everything stands at one time."""

    at_s: float
    done: int
    worker_cpu_s: float
    server_cpu_s: float
    reads: int
    looks: int


class World:
    """A server, a side's agent and its workers, for a ``with`` block in the main thread.

    Args:
        side: Whose.
        settings: Variables for the side's processes, beside its own.
    """

    def __init__(self, side: Side, settings: Mapping[str, str] | None = None) -> None:
        self.side = side
        self._settings = dict(settings or {})
        self._stack = ExitStack()
        self._workers: list[subprocess.Popen[bytes]] = []
        self._looks = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="helperhub-bench-")))
            self.server = stack.enter_context(ServerForTests(aof=True))
            self.client: Any = redis.Redis.from_url(self.server.url)
            stack.callback(self.client.close)
            self._environ = self._environment()
            self._python = python_of(self.side.environment)
            self._log = stack.enter_context((self.directory / "log").open("wb"))
            self._agent = self._start([self._python, "-m", "bench.agent", self.side.adapter], piped=True)
            stack.callback(self._end, [self._agent])
            self.versions: dict[str, str] = self.order("versions")
            stack.callback(self.stop_workers)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # -- enqueueing

    def order(self, what: str, **given: Any) -> Any:
        """Have the agent do something; see `bench.agent`."""
        if self._agent.stdin is None or self._agent.stdout is None:
            raise RuntimeError
        self._agent.stdin.write(json.dumps({"do": what, **given}).encode() + b"\n")
        self._agent.stdin.flush()
        answer = self._agent.stdout.readline()
        if not answer:
            self._fail(f"the agent of {self.side.name} ended")
        return json.loads(answer)

    def enqueue(self, how: str, job: str, count: int, *arguments: Any) -> float:
        """Enqueue ``count`` jobs ``how`` (each, batch, delayed); return how many a second."""
        return count / float(self.order(how, job=job, count=count, arguments=arguments)["seconds"])

    # -- workers

    def start_workers(self, *, processes: int = 0, threads: int = 0) -> float:
        """Start the side's workers; return when, monotonic seconds. 0 means the side's own number."""
        counts = processes or self.side.processes, threads or self.side.threads
        code = f"import json, {self.side.adapter} as a; print(json.dumps(a.workers{counts}))"
        said = subprocess.run([self._python, "-c", code], env=self._environ, capture_output=True, check=True, cwd=ROOT)
        commands: list[list[str]] = json.loads(said.stdout)
        started = time.monotonic()
        self._workers += [self._start(command) for command in commands]
        return started

    def start_beside(self, command: list[str]) -> None:
        """Start another process that ends with the world; it doesn't count as a worker."""
        process = self._start(command)
        self._stack.callback(self._end, [process])

    def stop_workers(self) -> None:
        """End them as an operator would, and then whatever is left."""
        self._end(self._workers)
        self._workers = []

    @property
    def worker_pids(self) -> list[int]:
        """The processes that the commands started; their children are below them."""
        return [process.pid for process in self._workers]

    # -- watching

    def done(self) -> int:
        """Return how many jobs are done."""
        self._looks += 1
        return int(self.client.get(DONE) or 0)

    def marks(self) -> list[tuple[float, float]]:
        """Return when each mark was sent and when it started, monotonic seconds."""
        raw: list[bytes] = self.client.lrange(MARKS, 0, -1)
        pairs = [entry.decode().split() for entry in raw]
        return [(int(sent) / 1e9, int(started) / 1e9) for sent, started in pairs]

    def moment(self) -> Moment:
        """Return where everything stands."""
        cpu, stats, done = self.client.info("cpu"), self.client.info("stats"), self.done()
        self._looks += 2
        return Moment(
            at_s=time.monotonic(),
            done=done,
            worker_cpu_s=cpu_s(self.worker_pids),
            server_cpu_s=cpu["used_cpu_user"] + cpu["used_cpu_sys"],
            reads=stats["total_reads_processed"],
            looks=self._looks,
        )

    def used_memory(self) -> int:
        """Return the server's ``used_memory``, bytes."""
        return int(self.client.info("memory")["used_memory"])

    def wait(self, condition: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
        """Wait until ``condition`` holds, or end the benchmark with the side's log."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self._fail(f"{self.side.name}: in {seconds:.0f} s it didn't happen that {what}")
            time.sleep(_LOOK_S)

    def watch(self, total: int, *, limit_s: float) -> tuple[Moment, Moment]:
        """Watch jobs being done; return the moments between which the workers were in full swing.

        The first is when a tenth is done, or a second after the first job, so that the start of the
        workers doesn't count; the last when ``total`` are done, or after ``limit_s``. Where so few jobs are all
        done between two looks, the start counts.
        """
        start = self.moment()
        self.wait(lambda: self.done() > 0, "a job is done")
        first_s = time.monotonic()
        self.wait(lambda: self.done() >= total // 10 or time.monotonic() > first_s + 1, "a tenth of the jobs is done")
        begin = self.moment()
        end_s = begin.at_s + limit_s
        self.wait(lambda: self.done() >= total or time.monotonic() > end_s, "all jobs are done", seconds=limit_s + 60)
        end = self.moment()
        return (begin if begin.done < end.done else start), end

    # -- processes

    def _environment(self) -> dict[str, str]:
        plugin = self.directory / "helperhub_bench-1.0.dist-info"
        plugin.mkdir()
        (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: helperhub-bench\nVersion: 1.0\n")
        (plugin / "entry_points.txt").write_text("[helperhub]\nbench = bench.ours\n")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELPERHUB_", "PYTHON"))}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join([str(self.directory), str(ROOT)]),
            "BENCH_URL": self.server.url,
            "HELPERHUB_REDIS_URL": self.server.url,
            "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
            "HELPERHUB_LOG__LEVEL": "error",
            **self.side.variables,
            **self._settings,
        }

    def _start(self, command: list[str], *, piped: bool = False) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._environ,
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - two system calls, set up before the fork
        )

    def _end(self, processes: list[subprocess.Popen[bytes]]) -> None:
        left = tree_of(process.pid for process in processes)
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _fail(self, problem: str) -> None:
        self._log.flush()
        tail = "\n".join((self.directory / "log").read_text(errors="replace").splitlines()[-20:])
        message = f"{problem}; its log ends with:\n{tail}"
        raise SystemExit(message)
