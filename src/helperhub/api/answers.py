"""Answers as JSON, and pages of lists with the cursor to the next one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Query, Response

from helperhub.errors import NoSuchPage

MOST_OF_A_PAGE = 500
Limit = Annotated[int, Query(ge=1, le=MOST_OF_A_PAGE, description="At most so many.")]
DryRun = Annotated[bool, Query(description="Change nothing; show what would be.")]
Cursor = Annotated[
    str | None, Query(max_length=1000, description="The `next_cursor` of the page before; none for the first page.")
]


def write_json(document: Any) -> bytes:
    """Return ``document`` as JSON, whatever has got into it.

    What code enqueues, and what a message quotes, may hold what orjson refuses: integers beyond 64 bits, halves
    of a surrogate pair, keys that aren't texts. None of that may turn an answer into an error.
    """
    try:
        return orjson.dumps(document, default=str)
    except TypeError:
        # NaN isn't JSON; orjson writes null for it as well.
        plain = json.loads(json.dumps(document, default=str, skipkeys=True), parse_constant=lambda _name: None)
        return json.dumps(plain).encode()


def as_json(document: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``document`` as a response."""
    return Response(write_json(document), status, headers, "application/json")


def etag_of(document: Any) -> str:
    """Return the entity tag of a document (RFC 9110, 8.8.3): it changes when the document does."""
    raw = orjson.dumps(document, default=str, option=orjson.OPT_SORT_KEYS)
    return f'"{hashlib.sha256(raw).hexdigest()[:24]}"'


def write_cursor(place: Mapping[str, Any]) -> str:
    """Return ``place`` as a cursor."""
    return base64.urlsafe_b64encode(orjson.dumps(dict(place))).decode().rstrip("=")


def read_cursor(cursor: str | None, *names: str) -> dict[str, Any]:
    """Return the place that a cursor names; empty for the first page.

    Args:
        cursor: What `write_cursor` returned.
        names: The members that it must have.

    Raises:
        NoSuchPage: It isn't a cursor of this list.
    """
    if cursor is None:
        return {}
    try:
        place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        place = None
    if not isinstance(place, dict) or set(place) != set(names):
        raise NoSuchPage
    return place


def read_name_cursor(cursor: str | None, name: str) -> str:
    """Return the text that a cursor of one member holds; empty for the first page.

    Raises:
        NoSuchPage: It isn't a cursor of this list.
    """
    found = read_cursor(cursor, name).get(name, "")
    if not isinstance(found, str):
        raise NoSuchPage
    return found
