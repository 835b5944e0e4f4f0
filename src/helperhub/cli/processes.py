"""``helperhub up``, ``worker``, ``scheduler``, and the worker process that they start."""

from __future__ import annotations

from datetime import timedelta

import click

from helperhub.cli.call import current_call
from helperhub.cli.words import DurationWord

_COUNT = click.IntRange(min=1)


@click.command()
@click.option("--demo", is_flag=True, help="Run a demonstration: checks and a crontab, some of which fail.")
@click.option("--for", "duration", type=DurationWord(), metavar="DURATION", help="Stop after this; default: Ctrl-C.")
def up(duration: timedelta | None, *, demo: bool) -> int:
    """Run everything on this machine: embedded server, scheduler and worker processes.

    With HELPERHUB_REDIS_URL set, that server is used instead of the embedded one.
    """
    from helperhub.cli.run_up import run_up  # noqa: PLC0415 - help must not import Dramatiq

    return run_up(env_files=current_call().env_files, demo=demo, duration=duration)


@click.command()
@click.option("--processes", type=_COUNT, metavar="N", help="Worker processes.")
@click.option("--threads", type=_COUNT, metavar="N", help="Executions that each runs at once.")
@click.option(
    "--queues",
    multiple=True,
    metavar="NAME,...",
    help="Queues to serve, parted by commas; may be repeated. Default: every queue.",
)
@click.option("--burst", is_flag=True, help="Stop when the queues are empty.")
@click.option("--max-executions", type=_COUNT, metavar="N", help="Each process stops after so many.")
@click.option(
    "--max-idle", type=DurationWord(), metavar="DURATION", help="Each process stops after so long without any."
)
def worker(
    processes: int | None,
    threads: int | None,
    queues: tuple[str, ...],
    max_executions: int | None,
    max_idle: timedelta | None,
    *,
    burst: bool,
) -> int:
    """Run worker processes; each that dies is replaced, and its work handed out again."""
    from helperhub.cli.run_worker import run_worker  # noqa: PLC0415 - as above

    return run_worker(
        env_files=current_call().env_files,
        processes=processes,
        threads=threads,
        queues=tuple(name.strip() for names in queues for name in names.split(",") if name.strip()),
        burst=burst,
        max_executions=max_executions,
        max_idle=max_idle,
    )


@click.command("worker-process", hidden=True)
def worker_process() -> int:
    """Be one worker process; 'helperhub up' and 'helperhub worker' start these."""
    from helperhub.cli.run_worker import run_worker_process  # noqa: PLC0415 - as above

    return run_worker_process(env_files=current_call().env_files)


@click.command()
@click.option("--upgrade", is_flag=True, help="Bring the archive's tables up to this release first.")
def archiver(*, upgrade: bool) -> int:
    """Take over what ended from Redis into the archive; one that was away catches up. Any number may run at once."""
    from helperhub.cli.run_archiver import run_archiver  # noqa: PLC0415 - as above

    return run_archiver(env_files=current_call().env_files, upgrade=upgrade)


@click.command()
@click.option("--exclusive", is_flag=True, hidden=True, help="Forget helpers that no plugin here declares.")
def scheduler(*, exclusive: bool) -> int:
    """Run a scheduler: it plans due times and enqueues what is due. Any number may run at once."""
    from helperhub.cli.run_scheduler import run_scheduler  # noqa: PLC0415 - as above

    return run_scheduler(env_files=current_call().env_files, exclusive=exclusive)


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen at; default: HELPERHUB_WEB__HOST.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Port; 0 takes any that is free.")
def web(host: str | None, port: int | None) -> int:
    """Serve the HTTP API, webhooks, metrics and the dashboard. /docs describes the API."""
    from helperhub.cli.run_web import run_web  # noqa: PLC0415 - as above

    return run_web(env_files=current_call().env_files, host=host, port=port)
