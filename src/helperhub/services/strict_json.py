"""JSON with one meaning: what two readers may read differently is refused (RFC 8259, 4 and 6; RFC 7493)."""

from __future__ import annotations

import json
from typing import Any

import orjson


def read_json(body: bytes) -> Any:
    """Return what ``body`` says.

    Raises:
        json.JSONDecodeError: It isn't UTF-8 or JSON, says something twice, or something that can't be said again:
            NaN, numbers beyond 64 bits, halves of a surrogate pair, nesting without end.
    """
    try:
        text = body.decode()
        found = json.loads(
            text, object_pairs_hook=_once, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer
        )
        orjson.dumps(found)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        message = "It is nested too deeply"
        raise json.JSONDecodeError(message, "", 0) from error
    except (ValueError, TypeError) as error:
        raise json.JSONDecodeError(str(error), "", 0) from error
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    message = f"{name[:80]!a} is given twice"
    raise ValueError(message)


def _refuse_constant(name: str) -> None:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _finite(text: str) -> float:
    found = float(text)
    if found in (float("inf"), float("-inf")):
        message = f"{text[:40]} is too large a number"
        raise ValueError(message)
    return found


def _integer(text: str) -> int:
    # 64 bits are 19 digits and a sign; int() of thousands would take long, and Python refuses it.
    found = int(text) if len(text) <= len(str(-(2**63))) else 2**64
    if not -(2**63) <= found < 2**64:
        message = f"{text[:40]} is beyond 64 bits"
        raise ValueError(message)
    return found
