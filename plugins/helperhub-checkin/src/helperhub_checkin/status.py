"""The status codes a target may answer with: ``200``, ``200,404`` or ``200-399``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_PART = re.compile(r"([1-5]\d\d)(?:-([1-5]\d\d))?")


def parse_status_set(value: object) -> str:
    """Return ``value`` as text, such as ``200-299,404``.

    Args:
        value: A number, that text, or a list of either.

    Raises:
        ValueError: It holds something that is neither a status code nor a range of them.
    """
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    texts = [str(part).strip() for part in parts]
    for text in texts:
        found = _PART.fullmatch(text)
        if found is None or (found[2] and found[2] < found[1]):
            message = f"'{text}' is not a status code; write 200, [200, 404] or '200-399'"
            raise ValueError(message)
    if not texts:
        message = "an empty list expects nothing; write 200, [200, 404] or '200-399'"
        raise ValueError(message)
    return ",".join(texts)


StatusSet = Annotated[str, BeforeValidator(parse_status_set)]


def holds(statuses: str, status_code: int) -> bool:
    """Return whether ``status_code`` is one of ``statuses``."""
    for part in statuses.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status_code <= int(high or low):
            return True
    return False


def names(statuses: str, status_code: int) -> bool:
    """Return whether ``statuses`` holds this very number, and not only a range around it."""
    return str(status_code) in statuses.split(",")
