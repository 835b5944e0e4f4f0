"""The order of plugins' versions."""

from __future__ import annotations

import re

#: A version's release, stage and the stage's number.
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)?[-_.]?(?:([a-zA-Z]+)[-_.]?(\d+)?)?")
_FINAL = 4
_STAGES = {
    "dev": 0,
    "a": 1,
    "alpha": 1,
    "b": 2,
    "beta": 2,
    "c": 3,
    "rc": 3,
    "pre": 3,
    "preview": 3,
    "post": 5,
    "rev": 5,
    "r": 5,
}


def version_key(version: str) -> tuple[tuple[int, ...], int, int]:
    """Return what versions are compared by, as PEP 440 orders them: ``1.10`` is above ``1.10rc1``, above ``1.9``."""
    release, stage, number = _VERSION.match(version).groups()  # type: ignore[union-attr]  # it matches anything
    numbers = [int(part) for part in (release or "0").split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), _STAGES.get((stage or "").lower(), _FINAL), int(number or 0)
