"""The literal paths of five older systems: their callers go on as they are, but for a key.

Each is a view of what ``/api/v1`` does, in the words those callers look for; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Response

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import MOST_OF_A_PAGE, Cursor, DryRun, Limit, as_json
from helperhub.api.bodies import Reason
from helperhub.api.documents.compat import (
    ActiveTasksDocument,
    ExecutionQueueDocument,
    JobStatusDocument,
    QueueInfoDocument,
    QueueStatsDocument,
    SystemStatusDocument,
)
from helperhub.api.documents.helpers import (
    HelperChangeDocument,
    HelperPage,
    HelperPreviewDocument,
    WholeHelperDocument,
)
from helperhub.api.named import Name, check_sees
from helperhub.api.routes.helpers import HelperUpdateBody, change, helper_page
from helperhub.api.runs import add_run_route
from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.execution import Execution, Status
from helperhub.services.overview import sum_queues

_OLD_STATUS = {
    Status.PLANNED: "scheduled",
    Status.QUEUED: "queued",
    Status.RUNNING: "running",
    Status.WAITING: "running",
    Status.SUCCESS: "finished",
    Status.ERROR: "failed",
    Status.EXPIRED: "failed",
    Status.CANCELLED: "cancelled",
    Status.SKIPPED: "skipped",
}
JobId = Annotated[str, Path(description="The execution's id.", examples=["0q2v8d3n4h5j6k7m8n9p0q"], max_length=300)]
_READ, _MANAGE = Scope.READ, Scope.MANAGE


def build_compat_routes(hub: Hub) -> Sequence[APIRouter]:
    """Return the routes of the older systems."""
    return (_job_routes(hub), _helper_view_routes(hub), _helper_change_routes(hub), _run_routes(hub), _task_routes(hub))


def _job_routes(hub: Hub) -> APIRouter:
    routes = build_router("", "older systems")

    @routes.get(
        "/jobs/{job_id:path}/status",
        summary="How an execution stands",
        response_model=JobStatusDocument,
        **needs(_READ, errors=(404,)),
    )
    def job_status(caller: Caller, job_id: JobId) -> Response:
        """Status, times, result and error of one execution."""
        return as_json(_job(_seen(hub, caller, job_id)))

    @routes.get("/queue/info", summary="Counts by status", response_model=QueueInfoDocument, **needs(_READ, whole=True))
    def queue_info() -> Response:
        """How many executions wait, run, failed and finished, over all queues."""
        sums = sum_queues(hub.queues.all())
        return as_json(
            {
                "queued": sums.waiting,
                "running": sums.running,
                "failed": sums.failed,
                "finished": sums.totals.get("success", 0),
            }
        )

    return routes


def _helper_view_routes(hub: Hub) -> APIRouter:
    routes = build_router("/helpers", "older systems")

    # Before the route that ends in the name: these words are reserved, so no helper is hidden.
    @routes.get(
        "/status/system", summary="How the hub is", response_model=SystemStatusDocument, **needs(_READ, whole=True)
    )
    def system_status() -> Response:
        """Helpers, what is queued, and whether a scheduler is at work; `/api/v1/system` says more."""
        return as_json(_system(hub.overview.status()))

    @routes.get("/executions/queue", summary="What comes next", response_model=ExecutionQueueDocument, **needs(_READ))
    def execution_queue(caller: Caller, limit: Limit = 50) -> Response:
        """What waits, then the look-ahead, by due time, then priority."""
        found = [one.to_document() for one in _coming(hub, caller, limit)]
        return as_json({"count": len(found), "executions": found})

    @routes.get("", summary="List helpers", response_model=HelperPage, **needs(_READ, errors=(400,)))
    @routes.get("/", summary="List helpers", response_model=HelperPage, **needs(_READ, errors=(400,)))
    def list_helpers(caller: Caller, limit: Limit = MOST_OF_A_PAGE, cursor: Cursor = None) -> Response:
        """Helpers and instances by name, each with its schedules and when it is due next."""
        return as_json(helper_page(hub, caller, limit=limit, cursor=cursor))

    @routes.get(
        "/{name:path}", summary="Show a helper", response_model=WholeHelperDocument, **needs(_READ, errors=(404,))
    )
    def show(caller: Caller, name: Name) -> Response:
        """One helper or instance."""
        check_sees(hub, caller, name)
        return as_json(hub.helpers.show(name))

    return routes


def _helper_change_routes(hub: Hub) -> APIRouter:
    routes = build_router("/helpers", "older systems")

    @routes.post(
        "/{name:path}/enable", summary="Enable", response_model=HelperChangeDocument, **needs(_MANAGE, errors=(404,))
    )
    def enable(caller: Caller, name: Name, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: B008 - frozen default
        """Plan the helper from now on; `planned` is the number of executions in the look-ahead."""
        check_sees(hub, caller, name)
        return as_json(hub.helpers.enable(name, reason=body.reason).to_document())

    @routes.post(
        "/{name:path}/disable", summary="Disable", response_model=HelperChangeDocument, **needs(_MANAGE, errors=(404,))
    )
    def disable(caller: Caller, name: Name, body: Annotated[Reason, Body()] = Reason()) -> Response:  # noqa: B008 - as above
        """Take the helper's executions out of the look-ahead; history stays."""
        check_sees(hub, caller, name)
        return as_json(hub.helpers.disable(name, reason=body.reason).to_document())

    @routes.put(
        "/{name:path}",
        summary="Update a helper",
        response_model=HelperChangeDocument | HelperPreviewDocument,
        **needs(_MANAGE, errors=(400, 404, 409, 412)),
    )
    def update(
        caller: Caller,
        name: Name,
        body: Annotated[HelperUpdateBody, Body()],
        dry_run: DryRun = False,  # noqa: FBT002 - a query parameter
    ) -> Response:
        """Change schedule, priority, expiry or switch: `{"schedule": {"type": "daily", "time": "07:30:00", ...}}`."""
        return change(hub, caller, name, body, dry_run=dry_run, if_match=None)

    return routes


def _run_routes(hub: Hub) -> APIRouter:
    routes = build_router("", "older systems")
    add_run_route(routes, "/helpers/{name:path}/run", hub)
    add_run_route(routes, "/api/helpers/{name:path}/run", hub)
    return routes


def _task_routes(hub: Hub) -> APIRouter:
    routes = build_router("/api/queue", "older systems")

    @routes.get(
        "/stats", summary="Figures over all queues", response_model=QueueStatsDocument, **needs(_READ, whole=True)
    )
    def stats() -> Response:
        """Depth, what runs, worker processes, counters and mean times."""
        return as_json(_stats(hub))

    @routes.get("/active-tasks", summary="What runs", response_model=ActiveTasksDocument, **needs(_READ))
    def active_tasks(caller: Caller) -> Response:
        """The executions that worker processes have in hand, the longest enqueued first."""
        running = [one for one in hub.overview.running() if caller.sees(one.helper, one.queue)]
        return as_json({"count": len(running), "tasks": [_task(one) for one in running]})

    return routes


def _seen(hub: Hub, caller: Principal, execution_id: str) -> Execution:
    found = hub.executions.get(execution_id)
    if not caller.sees(found.helper, found.queue):
        message = f"Nothing is known of execution '{execution_id}'."
        raise NotFound(message, hint="It may be of a helper or queue that this key isn't for.")
    return found


def _job(execution: Execution) -> dict[str, Any]:
    document = execution.to_document()
    error = document["error"]
    failed = _OLD_STATUS[execution.status] == "failed"
    return {
        "job_id": execution.id,
        "workflow_id": execution.helper,
        "status": _OLD_STATUS[execution.status],
        "state": execution.status.value,
        **{name: document[name] for name in ("enqueued_at", "started_at", "finished_at", "result")},
        "error": f"{error['type']}: {error['message']}" if error else execution.reason if failed else None,
    }


def _system(status: dict[str, Any]) -> dict[str, Any]:
    helpers, queues = status["helpers"], status["queues"]
    return {
        "system_status": status["status"],
        "available_helpers": helpers["known"],
        "total_queued_executions": helpers["planned"] + queues["waiting"],
        "dispatcher": {
            "registered_helpers": helpers["enabled"],
            "running_executions": queues["running"],
            "dispatcher_running": status["schedulers"]["at_work"] > 0,
        },
        "timestamp": status["at"],
    }


def _coming(hub: Hub, caller: Principal, limit: int) -> list[Execution]:
    waiting = hub.overview.waiting(lambda one: caller.sees(one.helper, one.queue), limit=limit)
    # Narrowed callers see a part: then all of the window has to be looked at.
    most = None if caller.is_narrowed else limit
    planned = [one for one in hub.plan.upcoming(limit=most) if caller.sees(one.helper, one.queue)]
    return [*waiting, *planned][:limit]


def _stats(hub: Hub) -> dict[str, Any]:
    sums = sum_queues(hub.queues.all())
    return {
        "queue_size": sums.waiting,
        "active_tasks": sums.running,
        "workers": len(hub.workers.all()),
        "tasks_enqueued": sums.totals.get("enqueued", 0),
        "tasks_completed": sums.totals.get("success", 0),
        "tasks_failed": sums.failed,
        "avg_queue_time_ms": sums.mean_wait_ms,
        "avg_execution_time_ms": sums.mean_run_ms,
    }


def _task(execution: Execution) -> dict[str, Any]:
    return {
        "id": execution.id,
        "app_name": str(execution.metadata.get("app") or execution.helper.partition("/")[0]),
        "workflow_name": execution.helper,
        "enqueued_at": execution.to_document()["enqueued_at"],
    }


__all__ = ["build_compat_routes"]
