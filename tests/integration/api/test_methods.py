"""Which methods a path has, where names hold slashes and several routes fit."""

from __future__ import annotations

import pytest
from tests.integration.api.conftest import Api

from helperhub.errors import InvalidHelper
from helperhub.model.access import Scope
from helperhub.model.helper import RESERVED_INSTANCES, HelperSpec


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/helpers/echo/run", "POST"),
        ("GET", "/api/v1/helpers/echo/enable", "POST"),
        ("OPTIONS", "/api/v1/helpers/echo", "GET, PUT"),
        ("PUT", "/helpers/status/system", "GET"),
        ("DELETE", "/api/v1/keys", "GET, POST"),
    ],
)
def test_path_answers_only_its_own_methods_and_names_them(api: Api, method: str, path: str, allowed: str) -> None:
    """A helper's name takes any path, so 'PUT .../run' was taken for an update of an instance called 'run'."""
    answer = api.client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json()["code"] == "method_not_allowed"
    assert allowed in answer.json()["hint"]


def test_instance_is_still_reached_by_its_path(api: Api) -> None:
    made = api.client.put("/api/v1/helpers/echo/berlin", json={"create": True, "priority": 4})

    assert made.status_code == 200
    assert api.client.get("/helpers/echo/berlin").json()["instance"] == "berlin"


def test_narrowed_key_makes_instances_of_its_own_helpers_only(api: Api) -> None:
    """Whoever asked to create was let pass whatever his key was for."""
    narrowed = api.asking(Scope.MANAGE, helpers=["echo"])
    wanted = {"create": True, "priority": 4}

    assert narrowed.put("/api/v1/helpers/broken/berlin", json=wanted).status_code == 404
    assert narrowed.put("/api/v1/helpers/broken", json=wanted).status_code == 404
    assert narrowed.put("/api/v1/helpers/echo/berlin", json=wanted).status_code == 200


@pytest.mark.parametrize("name", sorted(RESERVED_INSTANCES))
def test_last_words_of_paths_are_no_names_for_instances(api: Api, name: str) -> None:
    with pytest.raises(InvalidHelper, match="end of a path"):
        HelperSpec("echo", instance=name)

    assert api.client.post(f"/api/v1/helpers/echo/{name}").status_code in (200, 202)


def test_path_that_isnt_there_is_a_404_whatever_the_method(api: Api) -> None:
    assert [api.client.request(method, "/nowhere").status_code for method in ("GET", "PUT")] == [404, 404]
