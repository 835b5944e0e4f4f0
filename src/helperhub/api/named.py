"""Helpers that a request names, as far as whoever asks may know of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal
from helperhub.model.helper import split_key

Name = Annotated[
    str,
    Path(
        description="`helper[/instance]`.",
        examples=["weather"],
        max_length=200,
        json_schema_extra={"pattern": "^[A-Za-z][A-Za-z0-9._-]{0,62}(/[A-Za-z0-9._-]{1,80})?$"},
    ),
]


def check_sees(hub: Hub, caller: Principal, name: str, *, create: bool = False) -> None:
    """Refuse a helper that there isn't, or that ``caller`` may not know of.

    Args:
        hub: Knows the helpers.
        caller: Who asks.
        name: ``helper[/instance]``.
        create: The instance needn't be there; it will have its helper's queue.

    Raises:
        NotFound: There is none, for all that he may know.
    """
    row = hub.helpers.find(name)
    if row is None and create:
        row = hub.helpers.find(split_key(name)[0])
    if row is None and not caller.is_narrowed:
        hub.helpers.row(name)  # raises, and names close ones, which a narrowed key may not know of
    if row is None or not caller.sees(name, row.spec.queue):
        message = f"No helper is named '{name}', or it isn't one of this key's."
        raise NotFound(message)
