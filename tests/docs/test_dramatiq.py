"""The page "Dramatiq on HelperHub" names every part of Dramatiq there is, and says of each what the code does."""

from __future__ import annotations

import inspect
import re

import dramatiq.middleware as dramatiqs
import pytest
from dramatiq import Broker, Middleware, rate_limits, results
from dramatiq.cli import make_argument_parser
from tests.docs.conftest import DOCS, ROOT

from helperhub.broker import hooks, options, publishing
from helperhub.hub import Hub
from helperhub.settings import load_settings

PAGE = (DOCS / "reference" / "dramatiq.md").read_text()
HERE = ("works", "differs", "refused", "HelperHub's own")


def rows(heading: str) -> dict[str, list[str]]:
    """Return the rows of a section's table by each name in their first cell."""
    _, _, rest = PAGE.partition(f"\n## {heading}\n")
    table = [line.replace("\\|", "¦") for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]
    return {name: row for row in cells for name in re.findall(r"`([^`]+)`", row[0]) or [row[0]]}


@pytest.fixture
def broker() -> Broker:
    return Hub(load_settings([], {}), "redis://127.0.0.1:1/0").broker


def test_every_option_that_an_actor_may_have_is_listed(broker: Broker) -> None:
    ours = {"retry_policy"}

    assert {name for name, row in rows("Options of actors and messages").items() if row[1] != "message"} == (
        broker.actor_options - ours
    )
    assert all(f"`{name}`" in PAGE for name in ours)


def test_what_only_an_actor_may_have_is_said_to_be_so() -> None:
    said = {name for name, row in rows("Options of actors and messages").items() if row[1] == "actor"}

    assert said == set(options._ACTORS_ONLY) - {"retry_policy"}


def test_every_option_of_ours_is_listed() -> None:
    assert [name for name in publishing._OWN_OPTIONS if f"`{name}`" not in PAGE] == []


def test_every_middleware_of_dramatiq_is_listed_with_what_becomes_of_it() -> None:
    table = rows("Middleware")
    found = {
        name
        for name in dramatiqs.__all__
        if inspect.isclass(kind := getattr(dramatiqs, name)) and issubclass(kind, Middleware) and kind is not Middleware
    }

    assert found <= table.keys()
    assert {name for name in found if table[name][1] == "refused"} == {kind.__name__ for kind in hooks._ELSEWHERE}
    assert {name for name in found if table[name][1] == "works"} == {kind.__name__ for kind in hooks._HERE_ALREADY}


def test_every_option_of_the_command_is_listed() -> None:
    spelled = {option for action in make_argument_parser()._actions for option in action.option_strings}

    assert {name for name in rows("The command") if name.startswith("-")} == spelled


def test_every_public_method_of_a_broker_is_named() -> None:
    inner = {"consume", "declare_actor", "declare_queue", "emit_before", "emit_after", "close", "get_results_backend"}
    public = {name for name in vars(Broker) if not name.startswith("_")}

    assert [name for name in sorted(public - inner) if not re.search(rf"\b{name}\b", PAGE)] == []


@pytest.mark.parametrize("module", [rate_limits, results], ids=["rate_limits", "results"])
def test_every_limiter_and_error_of_results_is_named(module: object) -> None:
    inner = {"RateLimiter", "RateLimiterBackend", "Missing", "ResultBackend", "ResultError"}

    assert [name for name in module.__all__ if name not in inner and name not in PAGE] == []  # type: ignore[attr-defined]


def test_every_row_says_what_becomes_of_it() -> None:
    tables = [
        line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| what", "| option"))
    ]

    assert len(tables) > 50
    assert [line for line in tables if not any(f"| {word} |" in line for word in HERE)] == []


def test_conformance_tests_are_where_the_page_says() -> None:
    folder = ROOT / "tests" / "integration" / "dramatiq_contract"

    assert f"`{folder.relative_to(ROOT)}/`" in PAGE
    assert len(list(folder.glob("test_*.py"))) >= 10
