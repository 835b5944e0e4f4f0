"""Every page of the dashboard, and where it is in a hub with a history."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from helperhub import Hub
from helperhub.model.execution import Status
from helperhub.services.dead_letters import DeadFilter
from helperhub.services.execution_filter import ExecutionFilter
from helperhub.web.render import PAGES

#: Those of the navigation, by what they are called in file names.
IN_NAVIGATION = {name.lower().replace(" ", "-"): path for path, name, _ in PAGES}
#: Those that lead on from there.
FURTHER = (
    "executions-found",
    "execution-failed",
    "execution-succeeded",
    "execution-expired",
    "execution-cancelled",
    "helper",
    "helper-on-demand",
    "planned",
    "dead-cause",
    "dead-edit",
    "callbacks",
    "messages",
    "nothing-there",
)
ALL = (*IN_NAVIGATION, *FURTHER)


def find_place(hub: Hub, name: str) -> str:
    """Return the path below ``/ui/`` of a page."""
    return IN_NAVIGATION[name] if name in IN_NAVIGATION else _FINDERS[name](hub)


def _execution(hub: Hub, helper: str, status: Status) -> str:
    (found,) = hub.executions.find(ExecutionFilter(helper=helper, statuses=frozenset({status})), limit=1)
    return str(found.id)


_FINDERS: dict[str, Callable[[Hub], str]] = {
    "executions-found": lambda _: f"executions?q={quote('helper:refuse status:error since:2h')}",
    "execution-failed": lambda hub: f"executions/{_execution(hub, 'refuse', Status.ERROR)}",
    "execution-succeeded": lambda hub: f"executions/{_execution(hub, 'flaky', Status.SUCCESS)}",
    "execution-expired": lambda hub: f"executions/{_execution(hub, 'report', Status.EXPIRED)}",
    "execution-cancelled": lambda hub: f"executions/{_execution(hub, 'slow', Status.CANCELLED)}",
    "helper": lambda _: "helpers/greet",
    "helper-on-demand": lambda _: "helpers/refuse",
    "planned": lambda hub: f"timeline/planned/{quote(hub.plan.upcoming()[0].id)}",
    "dead-cause": lambda hub: f"dead?cause={_groups(hub)[0]}",
    "dead-edit": lambda hub: f"dead/{quote(_letter(hub))}/edit",
    "callbacks": lambda _: "webhooks/callbacks",
    "messages": lambda hub: f"webhooks/messages?id={hub.webhooks.all()[0]['id']}",
    "nothing-there": lambda _: "executions/nothing-there",
}


def _groups(hub: Hub) -> list[str]:
    return [one.cause.fingerprint for one in hub.dead_letters.groups(DeadFilter()).groups]


def _letter(hub: Hub) -> str:
    return hub.dead_letters.find(helper="refuse", limit=1)[0].id
