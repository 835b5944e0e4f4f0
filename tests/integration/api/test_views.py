"""Saved searches over HTTP: those of the key that asks, and nobody else's."""

from __future__ import annotations

from tests.integration.api.conftest import Api, Serve

from helperhub.model.access import Scope

PATH = "/api/v1/views"
FAILED = "status:error since:24h"


def test_search_is_saved_listed_renamed_and_deleted(api: Api) -> None:
    reader = api.asking(Scope.READ)

    saved = reader.put(f"{PATH}/Failed today", json={"query": FAILED})
    renamed = reader.post(f"{PATH}/Failed today/rename", json={"name": "Failed"})
    listed = reader.get(PATH).json()
    deleted = reader.delete(f"{PATH}/Failed")

    assert saved.json() == {"name": "Failed today", "query": FAILED}
    assert renamed.json() == {"name": "Failed", "query": FAILED}
    assert listed == {"views": [{"name": "Failed", "query": FAILED}]}
    assert deleted.json() == {"name": "Failed", "deleted": True}
    assert reader.get(PATH).json() == {"views": []}


def test_other_keys_see_and_touch_nothing_of_it(api: Api) -> None:
    api.asking(Scope.READ).put(f"{PATH}/mine", json={"query": FAILED})

    assert api.client.get(PATH).json() == {"views": []}
    assert api.client.delete(f"{PATH}/mine").status_code == 404


def test_what_cant_be_saved_is_told(api: Api) -> None:
    wrong = api.client.put(f"{PATH}/mine", json={"query": "status:eror"})

    assert (wrong.status_code, "Did you mean 'error'?" in wrong.text) == (400, True)
    assert api.client.put(f"{PATH}/mine", json={}).status_code == 422
    assert api.client.put(f"{PATH}/{'m' * 61}", json={"query": FAILED}).status_code == 422
    api.client.put(f"{PATH}/a", json={"query": FAILED})
    api.client.put(f"{PATH}/b", json={"query": FAILED})
    assert api.client.post(f"{PATH}/a/rename", json={"name": "b"}).status_code == 409


def test_who_shows_no_key_saves_nothing_even_where_reads_are_open(serve: Serve) -> None:
    api = serve(settings={"HELPERHUB_WEB__OPEN_READS": "true"})
    stranger = api.showing()

    assert stranger.get(PATH).json() == {"views": []}
    assert stranger.put(f"{PATH}/mine", json={"query": FAILED}).status_code == 401
