"""Taking a rule out of a script turns the state machine red: so none of them is there for nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test
from tests.chaos.model.mutations import MUTATIONS, Mutation, mutated
from tests.chaos.model.test_model import HUNT, machine_on
from tests.integration.store.conftest import Store

from helperhub.errors import HelperHubError, StoreRefused
from helperhub.testing.server import ServerForTests


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "_"))
def test_taking_a_rule_out_of_a_script_is_noticed(
    mutation: Mutation, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mutated(mutation, monkeypatch), pytest.raises((AssertionError, HelperHubError, Flaky)):
        run_state_machine_as_test(machine_on(redis_url, mutation.focus), settings=HUNT)


@pytest.mark.parametrize("script", ["claim", "settle", "renew", "reap"])
def test_taking_its_flag_out_of_a_script_stops_what_finishes_work_when_redis_is_full(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation = Mutation("no flag", script, "#!lua flags=allow-oom\n", "#!lua\n")
    steps: dict[str, Callable[[Store], object]] = {
        "claim": lambda store: store.claim(),
        "settle": lambda store: store.settle("a"),
        "renew": lambda store: store.scripts.renew(["w"], lease_ms=1000),
        "reap": lambda store: store.reap("w"),
    }
    with ServerForTests() as server:
        store = Store(server.url, "full")
        store.start("a")
        store.client.config_set("maxmemory", 1_000_000)

        with mutated(mutation, monkeypatch), pytest.raises(StoreRefused):
            steps[script](store)

        for step in steps.values():
            step(store)
        store.client.close()
