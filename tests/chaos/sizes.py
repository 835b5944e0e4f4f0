"""Each scenario in two sizes: small in the plain test run, full in ``tox -e chaos``."""

from __future__ import annotations

from typing import Any

import pytest


def sizes(*, small: Any = None, full: Any = None, names: str = "size") -> pytest.MarkDecorator:
    """Parametrize a scenario by its sizes; one that isn't given isn't run.

    Args:
        small: Seconds; marked with nothing.
        full: Minutes; marked ``chaos``.
        names: Of the test's arguments.
    """
    found = []
    if small is not None:
        found.append(pytest.param(*_values(small), id="small", marks=[pytest.mark.timeout(90)]))
    if full is not None:
        found.append(pytest.param(*_values(full), id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(600)]))
    return pytest.mark.parametrize(names, found)


def _values(size: Any) -> tuple[Any, ...]:
    return size if isinstance(size, tuple) else (size,)
