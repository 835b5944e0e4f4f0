"""The API's description: complete, served with its own Swagger UI, and the same under any path."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.conftest import Api, serving

import helperhub.api
from helperhub.api.app import build_app
from helperhub.api.describe import describe

STATIC = Path(helperhub.api.__file__).parent / "static"
VENDORED = STATIC / "swagger-ui"
SUMS = [line.split() for line in (VENDORED / "SHA256SUMS").read_text().splitlines()]


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    """The OpenAPI document as it is served."""
    answer = api.showing().get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def successes(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            yield answer


def test_every_route_says_what_it_is_for_and_who_may_call_it(document: dict[str, Any]) -> None:
    lacking = [
        f"{name}: {word}"
        for name, operation in operations(document)
        for word in ("summary", "description", "tags", "x-scope", "operationId")
        if not operation.get(word)
    ]

    assert lacking == []


def test_every_route_has_the_shape_of_its_answer(document: dict[str, Any]) -> None:
    shapeless = [
        name
        for name, operation in operations(document)
        for answer in successes(operation)
        if not all(one.get("schema") for one in answer.get("content", {"none": {}}).values())
    ]

    assert shapeless == []
    assert all(list(successes(operation)) for _, operation in operations(document))


def test_every_route_has_the_shapes_of_its_errors(document: dict[str, Any]) -> None:
    wrong: list[str] = []
    for name, operation in operations(document):
        errors = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
        public = operation["x-scope"] == "public"
        needed = {"422", "503"} | (set() if public else {"401", "403", "429"})
        wrong += [f"{name}: {status}" for status in needed - set(errors)]
        wrong += [
            f"{name}: {status} is no problem"
            for status, answer in errors.items()
            if list(answer["content"]) != ["application/problem+json"] and "Readiness" not in str(answer)
        ]

    assert wrong == []


def test_every_parameter_says_what_it_is(document: dict[str, Any]) -> None:
    silent = [
        f"{name}: {parameter['name']}"
        for name, operation in operations(document)
        for parameter in operation.get("parameters", ())
        if not parameter.get("description") and not parameter["schema"].get("title")
    ]

    assert silent == []


def test_what_no_tool_can_guess_has_an_example(document: dict[str, Any]) -> None:
    """Any JSON, and words with a meaning: a tool would show "string"."""
    schemas = document["components"]["schemas"]
    answered = reachable(
        [answer for _, operation in operations(document) for answer in successes(operation)], schemas, set()
    )

    lacking = [
        f"{model}.{name}"
        for model in sorted(answered)
        for name, field in schemas[model].get("properties", {}).items()
        if not (set(field) & {"type", "anyOf", "$ref", "allOf", "const", "enum", "oneOf"}) and "examples" not in field
    ]
    bare = [model for model in sorted(answered) if "properties" in schemas[model] and not exemplified(schemas[model])]

    assert lacking == []
    assert bare == []


def exemplified(schema: dict[str, Any]) -> bool:
    """Whether a model has an example somewhere, or only fields that speak for themselves."""
    fields = schema["properties"].values()
    plain = all(field.get("type") in ("boolean", "integer") or "const" in field or "$ref" in field for field in fields)
    return plain or any("examples" in field or "$ref" in str(field) or "enum" in field for field in fields)


def reachable(place: Any, schemas: dict[str, Any], found: set[str]) -> set[str]:
    for name in re.findall(r"#/components/schemas/([A-Za-z0-9_.-]+)", str(place)):
        if name not in found:
            found.add(name)
            reachable(schemas[name], schemas, found)
    return found


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    named = set(re.findall(r"#/components/schemas/([A-Za-z0-9_.-]+)", str(document)))

    assert named - set(document["components"]["schemas"]) == set()


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]

    assert len(ids) == len(set(ids))


def test_docs_load_nothing_from_elsewhere_and_run_nothing_inline(api: Api) -> None:
    page = api.showing().get("/docs")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "://" not in page.text
    assert re.findall(r"<script(?! src=)|<style|style=|\son\w+=", page.text) == []
    loaded = re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)
    assert len(loaded) == 4
    for address in loaded:
        answer = api.showing().get(f"/{address}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] in ("text/javascript", "text/css")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_docs_and_document_work_below_a_path_that_a_proxy_serves(api: Api) -> None:
    url = api.stack.enter_context(serving(api.hub, root_path="/hub"))

    page = api.showing().get(f"{url}/docs")
    found = api.showing().get(f"{url}/openapi.json").json()

    # Addresses without a slash before them: below whatever path the page has.
    assert re.findall(r'(?:src|href)="/', page.text) == []
    assert found["servers"] == [{"url": "/hub"}]


@pytest.mark.parametrize(("digest", "name"), SUMS, ids=[name for _, name in SUMS])
def test_vendored_file_is_as_its_makers_published_it(digest: str, name: str) -> None:
    assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == digest


def test_every_vendored_file_has_a_checksum_and_a_licence_lies_beside_them() -> None:
    files = {path.name for path in VENDORED.iterdir()} - {"SHA256SUMS", "README.md"}

    assert files == {name for _, name in SUMS}
    assert "Apache License" in (VENDORED / "LICENSE").read_text()


def test_document_is_made_without_redis(api: Api) -> None:
    assert describe(build_app(api.hub))["info"]["title"] == "HelperHub"
