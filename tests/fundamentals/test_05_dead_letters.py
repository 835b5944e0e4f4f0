"""5. What failed at its last attempt is a dead letter, until somebody does something about it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fundamentals.conftest import Running

from helperhub import Context, RetryPolicy, helper
from helperhub.errors import NotFound

out_of_paper = True


@helper(retry=RetryPolicy(max_attempts=1))
def print_page(ctx: Context[Any]) -> str:
    """Print, if there is paper."""
    if out_of_paper:
        message = "out of paper"
        raise OSError(message)
    return f"printed {ctx.payload}"


@pytest.fixture(autouse=True)
def printer_without_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins with the paper out."""
    monkeypatch.setattr(f"{__name__}.out_of_paper", True)


def test_what_was_given_up_waits_among_the_dead_letters_with_all_that_is_known(running: Running) -> None:
    """Nothing removes it by itself: no lifetime, no purge of its queue."""
    with running([print_page]) as hub:
        execution_id = hub.enqueue("print-page", "page 1")
        hub.wait(execution_id)
        hub.queues.purge("default")

        (dead,) = hub.dead_letters.find(limit=10)

    assert (dead.id, dead.status, dead.payload) == (execution_id, "error", "page 1")
    assert dead.errors[0].message == "out of paper"
    assert "raise OSError" in dead.errors[0].traceback


def test_replayed_dead_letter_runs_again_as_a_new_execution(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mend the cause, replay; the new execution says which one it replaces."""
    with running([print_page]) as hub:
        hub.wait(hub.enqueue("print-page", "page 1"))
        monkeypatch.setattr(f"{__name__}.out_of_paper", False)

        ((old, new),) = hub.dead_letters.replay_all()
        execution = hub.wait(new)

        assert hub.dead_letters.count() == 0

    assert (execution.status, execution.result) == ("success", "printed page 1")
    assert (execution.replay_of, execution.trigger) == (old, "replay")


def test_dead_letter_is_replayed_once_however_often_the_button_is_pressed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking again answers the execution that it became."""
    with running([print_page]) as hub:
        execution_id = hub.enqueue("print-page", "page 1")
        hub.wait(execution_id)
        monkeypatch.setattr(f"{__name__}.out_of_paper", False)

        assert hub.dead_letters.replay([execution_id]) == hub.dead_letters.replay([execution_id])


def test_deleted_dead_letter_stays_in_the_history(running: Running) -> None:
    """It is off the list of what needs somebody; what happened is still told."""
    with running([print_page]) as hub:
        execution_id = hub.enqueue("print-page", "page 1")
        hub.wait(execution_id)

        assert hub.dead_letters.delete([execution_id]) == 1

        assert hub.dead_letters.count() == 0
        assert hub.executions.get(execution_id).status == "error"
        with pytest.raises(NotFound):
            hub.executions.get("never heard of")
