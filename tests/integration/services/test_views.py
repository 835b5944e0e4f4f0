"""Saved searches: each its owner's, bounded, and none lost by another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helperhub import Hub
from helperhub.errors import Conflict, NotFound, Unauthenticated, UsageError
from helperhub.model.access import NOBODY, Principal, Scope
from helperhub.services.audit import acting_as
from helperhub.services.views import MOST_NAME, MOST_VIEWS, View

ADA = Principal("key:ada", frozenset({Scope.READ}))
BOB = Principal("person:bob@here", frozenset(Scope))
FAILED = "status:error since:24h"


@pytest.fixture(autouse=True)
def ada() -> Iterator[None]:
    """Let somebody act."""
    with acting_as(ADA):
        yield


def test_views_are_listed_by_name_for_who_saved_them(hub: Hub) -> None:
    hub.views.save("zoo", FAILED)
    hub.views.save(" Every hour, or so ", "helper:weather")

    assert hub.views.all() == [View("Every hour, or so", "helper:weather"), View("zoo", FAILED)]
    with acting_as(BOB):
        assert hub.views.all() == []
        with pytest.raises(NotFound, match="No search is saved as 'zoo'"):
            hub.views.delete("zoo")


def test_name_that_is_taken_gets_the_new_search(hub: Hub) -> None:
    hub.views.save("mine", FAILED)
    hub.views.save("mine", "queue:low")

    assert hub.views.all() == [View("mine", "queue:low")]


def test_view_is_renamed_but_never_over_another(hub: Hub) -> None:
    hub.views.save("a", FAILED)
    hub.views.save("b", "queue:low")

    assert hub.views.rename("a", "c") == View("c", FAILED)
    assert hub.views.rename("c", "c") == View("c", FAILED)
    with pytest.raises(Conflict, match="saved as 'b'"):
        hub.views.rename("c", "b")
    for old, new in (("a", "d"), ("a", "a")):
        with pytest.raises(NotFound):
            hub.views.rename(old, new)
    assert hub.views.all() == [View("b", "queue:low"), View("c", FAILED)]


def test_deleted_view_is_gone(hub: Hub) -> None:
    hub.views.save("a", FAILED)
    hub.views.delete("a")

    assert hub.views.all() == []
    with pytest.raises(NotFound):
        hub.views.delete("a")


def test_one_more_than_may_be_is_refused_but_those_there_are_can_be_changed(hub: Hub) -> None:
    for number in range(MOST_VIEWS):
        hub.views.save(f"{number}", FAILED)

    with pytest.raises(Conflict, match="50 searches are saved"):
        hub.views.save("one more", FAILED)
    hub.views.save("7", "queue:low")
    hub.views.rename("8", "eight")
    assert len(hub.views.all()) == MOST_VIEWS


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a\nb", "x" * (MOST_NAME + 1)])
def test_what_is_no_name_is_refused(hub: Hub, name: str) -> None:
    with pytest.raises(UsageError):
        hub.views.save(name, FAILED)


@pytest.mark.parametrize("query", ["", " ", "status:eror", '"open'])
def test_what_is_no_search_is_refused(hub: Hub, query: str) -> None:
    with pytest.raises(UsageError):
        hub.views.save("mine", query)


def test_stranger_has_no_views_and_saves_none(hub: Hub) -> None:
    with acting_as(NOBODY):
        assert hub.views.all() == []
        with pytest.raises(Unauthenticated):
            hub.views.save("mine", FAILED)


def test_views_last_a_year_from_the_last_look(hub: Hub) -> None:
    hub.views.save("mine", FAILED)
    key = hub.scripts.keys.at("views", ADA.name)
    hub.scripts.client.pexpire(key, 1000)

    hub.views.all()

    assert hub.scripts.client.pttl(key) > 364 * 86_400_000
