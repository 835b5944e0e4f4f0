"""The API's description: the OpenAPI document, and Swagger UI to read and try it, vendored: nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse
from fastapi.security import HTTPBearer

from helperhub.api.access import PUBLIC, SCOPE, build_router, needs, problem_shape
from helperhub.api.idempotency import HEADER
from helperhub.api.problems import Problem, ValidationProblem
from helperhub.api.words import JSON_VALUE

_STATIC = Path(__file__).parent / "static"
#: What the page loads: its address below /docs, the file, its type.
_FILES = (
    ("swagger-ui-bundle.js", _STATIC / "swagger-ui" / "swagger-ui-bundle.js", "text/javascript"),
    ("swagger-ui.css", _STATIC / "swagger-ui" / "swagger-ui.css", "text/css"),
    ("docs.js", _STATIC / "docs.js", "text/javascript"),
    ("docs.css", _STATIC / "docs.css", "text/css"),
)
#: Swagger UI's style sheet has its icons as data; it asks only the server that it came from.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
#: The files change with a release only.
_KEPT = "public, max-age=3600"


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the app's OpenAPI document, with its error shapes and which routes need a key."""
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    parts = found.setdefault("components", {})
    for model in (Problem, ValidationProblem):
        parts.setdefault("schemas", {})[model.__name__] = model.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own; ours stand in their place
        parts["schemas"].pop(unused, None)
    parts["securitySchemes"] = {
        "key": HTTPBearer(bearerFormat="hh_...").model.model_dump(mode="json", exclude_none=True, by_alias=True)
    }
    _say_what_json_is(parts["schemas"])
    for operation in operations_of(found):
        operation["security"] = [] if operation.get(SCOPE) == PUBLIC else [{"key": []}]
        answers = operation["responses"]
        if "requestBody" in operation:
            answers.setdefault("400", problem_shape(400))
        names = {one["name"] for one in operation.get("parameters", ())}
        if "cursor" in names:
            answers.setdefault("404", problem_shape(404))
        if HEADER in names:
            answers.setdefault("409", problem_shape(409))
    return found


def _say_what_json_is(schemas: dict[str, Any]) -> None:
    """Let every field that may be anything be any JSON that is taken, by name."""
    ref = {"$ref": "#/components/schemas/Json"}
    fields = [field for model in schemas.values() for field in model.get("properties", {}).values()]
    for field in fields:
        if not field.keys() & {"type", "anyOf", "allOf", "oneOf", "const", "enum", "$ref"}:
            field.update(ref)
        if field.get("additionalProperties") is True:
            field["additionalProperties"] = ref
    schemas["Json"] = JSON_VALUE


def operations_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every operation of an OpenAPI document."""
    for path in document["paths"].values():
        yield from path.values()


def add_description(app: FastAPI) -> None:
    """Let ``app`` serve its description; call it when it has all its other routes."""
    routes = build_router("", "system")
    made: dict[str, bytes] = {}

    @routes.get("/openapi.json", summary="The OpenAPI document", response_model=dict[str, Any], **needs(PUBLIC))
    async def openapi(request: Request) -> Response:
        """Every route with what it takes, what it answers, and the scope that it needs (OpenAPI 3.1)."""
        # One of few: the server's own, never the client's.
        root = str(request.scope.get("root_path", "")).rstrip("/")
        if root not in made:
            servers = {"servers": [{"url": root}]} if root else {}
            made[root] = orjson.dumps({**describe(app), **servers})
        return Response(made[root], media_type="application/json")

    @routes.get("/docs", summary="The API to read and try", response_class=FileResponse, **_page())
    async def docs() -> Response:
        """Swagger UI, from this server alone: it works without the internet."""
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return FileResponse(_STATIC / "docs.html", media_type="text/html", headers=headers)

    for name, path, kind in _FILES:
        options = needs(PUBLIC)
        routes.add_api_route(f"/docs/{name}", _serving(path, kind), include_in_schema=False, **options)
    app.include_router(routes)


def _page() -> dict[str, Any]:
    options = needs(PUBLIC)
    options["responses"][200] = {
        "description": "An HTML page.",
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
    return options


def _serving(path: Path, kind: str) -> Callable[[], Coroutine[None, None, Response]]:
    async def serve() -> Response:
        return FileResponse(path, media_type=kind, headers={"Cache-Control": _KEPT})

    return serve
