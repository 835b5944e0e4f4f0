"""The ``helperhub`` command: its global options and the list of its commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from helperhub import __version__
from helperhub.cli.call import Call
from helperhub.cli.failures import report_failures
from helperhub.cli.lazy import LazyCommand, LazyGroup

_RUN, _SEE, _SETUP = "Run", "See and steer", "Look after"

COMMANDS = {
    "up": LazyCommand("helperhub.cli.processes:up", "Run everything on this machine.", _RUN),
    "worker": LazyCommand("helperhub.cli.processes:worker", "Run worker processes.", _RUN),
    "scheduler": LazyCommand("helperhub.cli.processes:scheduler", "Run a scheduler.", _RUN),
    "archiver": LazyCommand("helperhub.cli.processes:archiver", "Take over what ended into the archive.", _RUN),
    "web": LazyCommand("helperhub.cli.processes:web", "Serve the HTTP API and the dashboard.", _RUN),
    "worker-process": LazyCommand("helperhub.cli.processes:worker_process", "Run one worker process."),
    "status": LazyCommand("helperhub.cli.status:status", "Show the hub at one look.", _SEE),
    "helpers": LazyCommand("helperhub.cli.helpers:helpers", "List, show, pause, update, run helpers and more.", _SEE),
    "executions": LazyCommand(
        "helperhub.cli.executions:executions", "List, show, wait for, cancel, replay executions.", _SEE
    ),
    "why": LazyCommand("helperhub.cli.why:why", "Say why an execution stands where it does.", _SEE),
    "plan": LazyCommand("helperhub.cli.plan:plan", "See what is due; skip, move or run it.", _SEE),
    "dead": LazyCommand("helperhub.cli.dead:dead", "List, show, replay, delete dead letters.", _SEE),
    "undo": LazyCommand("helperhub.cli.undo:undo", "Undo a deletion, replay or purge.", _SEE),
    "alerts": LazyCommand("helperhub.cli.alerts:alerts", "See what is wrong, and take it on.", _SEE),
    "callbacks": LazyCommand("helperhub.cli.callbacks:callbacks", "See what was told to URLs; tell it again.", _SEE),
    "queues": LazyCommand("helperhub.cli.queues:queues", "List, pause, resume, purge queues.", _SEE),
    "workers": LazyCommand("helperhub.cli.workers:workers", "List, pause, resume worker processes.", _SEE),
    "stats": LazyCommand("helperhub.cli.stats:stats", "Count and time what ended, by helper, queue, hour.", _SEE),
    "report": LazyCommand("helperhub.cli.report:report", "Report on a week, as a page or text.", _SEE),
    "next": LazyCommand("helperhub.cli.next_times:next_times", "Show when a schedule would fire.", _SEE),
    "plugins": LazyCommand("helperhub.cli.plugins:plugins", "List what is installed, and what is broken.", _SETUP),
    "config": LazyCommand("helperhub.cli.config:config", "Show and check the settings.", _SETUP),
    "keys": LazyCommand("helperhub.cli.keys:keys", "Make and revoke the keys of the HTTP API.", _SETUP),
    "webhooks": LazyCommand("helperhub.cli.webhooks:webhooks", "Make and look after webhooks.", _SETUP),
    "audit": LazyCommand("helperhub.cli.audit:audit", "See who did what.", _SETUP),
    "db": LazyCommand("helperhub.cli.db:db", "Set up and see the archive's database.", _SETUP),
    "backup": LazyCommand("helperhub.cli.backup:backup", "Write the hub's state to a file, or check one.", _SETUP),
    "restore": LazyCommand("helperhub.cli.backup:restore", "Bring back the hub's state from a file.", _SETUP),
    "trust": LazyCommand("helperhub.cli.trust:trust", "Make and rotate the keys that sign work.", _SETUP),
    "doctor": LazyCommand("helperhub.cli.doctor:doctor", "Check Redis, plugins, clock and processes.", _SETUP),
}


class RootGroup(LazyGroup):
    """The outermost group: failures of all commands end here."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it returns is the exit code, None is 0."""
        call = ctx.ensure_object(Call)
        code = report_failures(lambda: super(RootGroup, self).invoke(ctx), as_json=lambda: call.as_json)
        # click itself exits with 0 whatever a command returns.
        ctx.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=RootGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 not found or unhealthy, 69 Redis unreachable, "
    "78 bad configuration, 130 interrupted.",
)
@click.option(
    "--env-file",
    "env_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Read settings from this file; may be repeated, later ones win.",
)
@click.version_option(__version__, message="helperhub %(version)s")
@click.pass_context
def command(ctx: click.Context, env_files: tuple[Path, ...]) -> None:
    """Helpers: scheduled and triggered work that you install with pip, see and steer."""
    ctx.ensure_object(Call).env_files = env_files or None
