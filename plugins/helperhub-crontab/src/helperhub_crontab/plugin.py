"""Where HelperHub comes in: every line of the configured crontabs becomes an instance of ``crontab``."""

from __future__ import annotations

from helperhub import Helper, Registrar, helper, hookimpl
from helperhub_crontab.adopt import adopt_crontabs
from helperhub_crontab.run import CommandPayload, run_command
from helperhub_crontab.settings import CrontabSettings
from helperhub_crontab.users import current_user


@hookimpl
def helperhub_register(hub: Registrar) -> None:
    """Read the crontabs and bring their lines in."""
    settings = hub.settings(CrontabSettings)
    adopt_crontabs(hub, build_helper(settings), settings, current=current_user())


def build_helper(settings: CrontabSettings) -> Helper:
    """Return the helper that runs a line's command, for the configured queue."""
    declare = helper(
        name="crontab",
        queue=settings.queue,
        settings=CrontabSettings,
        payload_model=CommandPayload,
        description="Runs the command of a crontab line.",
    )
    return declare(run_command)
