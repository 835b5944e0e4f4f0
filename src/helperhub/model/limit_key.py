"""The text that tells executions of one helper apart for its limits per key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

#: Longer ones are cut, and told apart by a digest.
_MAX_KEY = 100
#: What stands for itself; no colon, for that parts the names of keys in Redis.
_SAFE = " !$&'()*+,/;=?@[]<>|^{}"


def key_of(payload: Any, name: str | None) -> str:
    """Return the text of a payload's value that limits go by; empty where it has none.

    Texts, numbers and anything else count by how they are written, so ``1`` and ``"1"`` are one key. Colons
    and what can't be printed are escaped, and what is long is cut and ends in a digest.
    """
    if name is None or not isinstance(payload, Mapping):
        return ""
    value = payload.get(name)
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    escaped = quote(text, safe=_SAFE, errors="replace")
    if len(escaped) <= _MAX_KEY:
        return escaped
    return f"{escaped[: _MAX_KEY // 2]}~{digest_of(text)}"


def digest_of(text: str) -> str:
    """Return what tells a text from others, in 24 letters."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=12).hexdigest()


def show_key(key: str) -> str:
    """Return a key as people wrote it."""
    return unquote(key)
