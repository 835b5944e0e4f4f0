"""7. One helper, configured several times: an instance has its own name, payload and schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.fundamentals.conftest import Running

from helperhub import Context, Every, Registrar, helper
from helperhub.services.helpers import HelperUpdate


@helper
def weather(ctx: Context[Any]) -> str:
    """Tell which city it looked at, and as which instance."""
    return f"{ctx.instance}: {ctx.payload['city']}"


def helperhub_register(hub: Registrar) -> None:
    """Bring in two instances; in a plugin this is the hook, decorated with ``@hookimpl``."""
    hub.add(weather)
    hub.add(weather, instance="berlin", payload={"city": "Berlin"}, schedule=Every(timedelta(hours=1)))
    hub.add(weather, instance="rome", payload={"city": "Rome"}, schedule=Every(timedelta(minutes=30)))


def test_each_instance_has_a_schedule_of_its_own(running: Running) -> None:
    """Helper and instance together name it everywhere: ``weather/berlin``."""
    with running(helperhub_register, worker=False) as hub:
        assert len(hub.plan.upcoming(helper="weather/berlin")) == 2
        assert len(hub.plan.upcoming(helper="weather/rome")) == 4
        assert len(hub.plan.upcoming(helper="weather")) == 6


def test_instance_runs_with_its_own_payload(running: Running) -> None:
    """``ctx.instance`` and ``ctx.payload`` tell the function which one it is."""
    with running(helperhub_register) as hub:
        execution = hub.wait(hub.enqueue("weather/rome"))

    assert execution.result == "rome: Rome"


def test_instance_can_be_disabled_alone(running: Running) -> None:
    """The others go on."""
    with running(helperhub_register, worker=False) as hub:
        hub.helpers.disable("weather/rome")

        assert {planned.helper for planned in hub.plan.upcoming()} == {"weather/berlin"}


def test_instance_can_be_made_while_all_runs(running: Running) -> None:
    """Nobody has to release a plugin for one more city."""
    with running(helperhub_register) as hub:
        update = HelperUpdate(schedules={"": Every(timedelta(hours=1))}, payload={"city": "Oslo"}, has_payload=True)
        hub.helpers.update("weather/oslo", update, create=True)

        first = hub.plan.upcoming(helper="weather/oslo")[0]
        hub.plan.run(first.id, reason="")

        assert hub.wait(first.id).result == "oslo: Oslo"
