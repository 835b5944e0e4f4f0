"""The navigation leads to what somebody may open, and to nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.integration.web.conftest import Open

from helperhub.model.access import Scope
from helperhub.web.render import PAGES


@pytest.mark.parametrize(
    ("scope", "narrowed"),
    [(Scope.READ, {}), (Scope.READ, {"helpers": ["echo"]}), (Scope.MANAGE, {}), (Scope.ADMIN, {})],
)
def test_pages_that_are_offered_open_and_the_others_dont(
    open_browser: Open, scope: Scope, narrowed: dict[str, Any]
) -> None:
    browser = open_browser(scope, **narrowed)

    offered = set(re.findall(r'<a href="/ui/([^"]*)" data-key', browser.see("").text))

    assert {path for path, _, _ in PAGES if browser.see(path).status_code == 200} == offered
