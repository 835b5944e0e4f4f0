"""The dashboard's scripts and styles, compressed: the only answers that are.

Pages aren't: they hold the session's token beside what others have written, and from the length of a compressed page
one could be told by the other (BREACH, CVE-2013-3587).
"""

from __future__ import annotations

import gzip
import re
from functools import cache

from fastapi import Response

from helperhub.errors import NotFound
from helperhub.web.render import STATIC

#: The files change with a release only, and their addresses with them.
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_TAKES_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))|,|$)", re.IGNORECASE)


def serve_file(path: str, *, accepts: str) -> Response:
    """Return a file of the dashboard.

    Args:
        path: Below ``static/``.
        accepts: The request's ``Accept-Encoding``.

    Raises:
        NotFound: There is no such file.
    """
    file = (STATIC / path).resolve()
    if not file.is_file() or not file.is_relative_to(STATIC.resolve()) or file.suffix not in _TYPES:
        message = f"There is no file '{path[:100]}'."
        raise NotFound(message)
    plain, packed = _read(str(file))
    if len(packed) < len(plain) and _TAKES_GZIP.search(accepts):
        return Response(packed, headers={**_HEADERS, "Content-Encoding": "gzip"}, media_type=_TYPES[file.suffix])
    return Response(plain, headers=_HEADERS, media_type=_TYPES[file.suffix])


@cache
def _read(file: str) -> tuple[bytes, bytes]:
    """Return a file as it is, and compressed; only files that there are come here, so there are few."""
    found = STATIC.joinpath(file).read_bytes()
    return found, gzip.compress(found, 9, mtime=0)


__all__ = ["serve_file"]
