"""Undo over HTTP: what answers name is taken back, by whom that may be."""

from __future__ import annotations

import pytest
from tests.integration.api.conftest import SOON, Api, Serve
from tests.integration.api.test_dead_letters import fussy, give_up

from helperhub.model.access import Scope
from helperhub.model.execution import Status

DEAD = "/api/v1/dead-letters"


@pytest.fixture
def api(serve: Serve) -> Api:
    """A served hub with a helper that fails; no worker runs unless a test lets one."""
    return serve([fussy], worker=True)


def test_deletion_is_taken_back_once(api: Api) -> None:
    (id_,) = give_up(api, "fussy", 1)
    change = api.client.delete(f"{DEAD}/{id_}").json()["undo"]

    first, second = (api.client.post(f"/api/v1/undo/{change}").json() for _ in range(2))

    assert first == {
        "id": change,
        "change": "delete",
        "target": None,
        "undone": 1,
        "kept": 0,
        "again": False,
        "text": "1 dead letter put back.",
    }
    assert (second["again"], second["undone"]) == (True, 1)
    assert api.hub.dead_letters.is_dead(id_)


def test_replay_that_ran_stays_and_one_that_was_replayed_before_has_nothing_to_undo(api: Api) -> None:
    (id_,) = give_up(api, "fussy", 1)
    replayed = api.client.post(f"{DEAD}/{id_}/replay").json()
    api.hub.wait(replayed["id"], timeout=SOON)

    assert api.client.post(f"{DEAD}/{id_}/replay").json()["undo"] is None
    assert api.client.post(f"{DEAD}/replay", json={"ids": [id_]}).json()["undo"] is None

    undone = api.client.post(f"/api/v1/undo/{replayed['undo']}").json()
    assert (undone["undone"], undone["kept"]) == (0, 1)


def test_purge_is_taken_back(serve: Serve) -> None:
    api = serve()
    ids = {str(one) for one in api.hub.enqueue_many([("echo", None)] * 3)}
    purged = api.client.post("/api/v1/queues/default/purge").json()

    undone = api.client.post(f"/api/v1/undo/{purged['undo']}").json()

    assert (purged["cancelled"], undone["undone"], undone["target"]) == (3, 3, "default")
    assert {one.replay_of for one in api.hub.records.waiting(["default"])} == ids
    assert {api.hub.executions.get(id_).status for id_ in ids} == {Status.CANCELLED}


def test_scopes_and_narrowing_bound_what_may_be_undone(api: Api) -> None:
    one, two = give_up(api, "fussy", 1, 2)
    change = api.client.delete(f"{DEAD}/{one}").json()["undo"]
    own = api.asking(Scope.MANAGE, helpers=["fussy"])
    own_change = own.delete(f"{DEAD}/{two}").json()["undo"]

    answers = [
        asking.post(f"/api/v1/undo/{change}").status_code
        for asking in (api.showing(None), api.asking(Scope.READ), api.asking(Scope.RUN), own)
    ]

    assert answers == [401, 403, 403, 404]
    assert not api.hub.dead_letters.is_dead(one)
    assert own.post(f"/api/v1/undo/{own_change}").json()["undone"] == 1
    assert api.client.post("/api/v1/undo/nobody").status_code == 404
