"""The scripts do what a plain Python model of them does, whatever the order of the steps."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RULE_MARKER, run_state_machine_as_test
from tests.chaos.model.machine import ScriptsBesideModel

#: The same steps each time: a plain test run says the same twice. New ones are for the chaos suite. A failure is shown
#: as it was found: looking for a shorter one takes up to 5 minutes, and Hypothesis takes the test's own time limit
#: for one more failure to shorten.
QUICK = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],
    derandomize=True,
)
LONG = settings(
    QUICK, max_examples=600, stateful_step_count=60, derandomize=False, phases=[Phase.generate, Phase.shrink]
)
#: For mutated scripts: the first difference will do, and the same steps each time.
HUNT = settings(
    QUICK,
    max_examples=300,
    stateful_step_count=50,
    report_multiple_bugs=False,
)


def hub_names() -> Iterator[str]:
    while True:
        yield f"test-{uuid.uuid4().hex[:12]}"


def machine_on(url: str, focus: str = "") -> type[ScriptsBesideModel]:
    """Return the state machine, bound to a server; with ``focus`` these of its rules are its only ones."""
    rules = [name for name, found in vars(ScriptsBesideModel).items() if hasattr(found, RULE_MARKER)]
    chosen = focus.split() or rules
    assert set(chosen) <= set(rules)
    others = {name: unruled(getattr(ScriptsBesideModel, name)) for name in rules if name not in chosen}
    return type("Machine", (ScriptsBesideModel,), {"url": url, "hubs": hub_names(), **others})


def unruled(function: Callable[..., None]) -> Callable[..., None]:
    """Return a rule as a plain method that other rules may still call."""

    def plain(machine: ScriptsBesideModel, *args: Any, **kwargs: Any) -> None:
        function(machine, *args, **kwargs)

    return plain


@pytest.mark.timeout(120)
def test_scripts_do_what_the_model_does(redis_url: str) -> None:
    run_state_machine_as_test(machine_on(redis_url), settings=QUICK)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_scripts_do_what_the_model_does_for_long(redis_url: str) -> None:
    run_state_machine_as_test(machine_on(redis_url), settings=LONG)
