"""What a page's form sends: ``application/x-www-form-urlencoded``, as browsers and htmx do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from helperhub.errors import UsageError

#: Of one form.
_MOST_FIELDS = 200


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form; of one that comes twice, the last.

    Raises:
        UsageError: It isn't a form, or has too many fields.
    """
    body = await request.body()
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        message = "The form can't be read."
        raise UsageError(message) from error


Form = Annotated[Mapping[str, str], Depends(read_form)]
