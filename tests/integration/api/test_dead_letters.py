"""Dead letters over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from tests.integration.api.conftest import SOON, Api, Serve

from helperhub import RetryPolicy, helper
from helperhub.model.access import Scope
from helperhub.model.execution import Status
from helperhub.services.audit import AuditFilter
from helperhub.testing.running import working

PATH = "/api/v1/dead-letters"
ONCE = RetryPolicy(max_attempts=1)


class Order(BaseModel):
    """What picky takes."""

    number: int


@helper(retry=ONCE, payload_model=Order)
def picky(ctx: Any) -> int:
    """Take positive numbers only."""
    if ctx.payload.number < 0:
        message = f"order {ctx.payload.number} of 'ada' can't be shipped"
        raise ValueError(message)
    return int(ctx.payload.number)


@helper(retry=ONCE)
def fussy(ctx: Any) -> None:
    """Fail in one of two ways."""
    if ctx.payload == "lost":
        raise LookupError(ctx.payload)
    message = f"nothing fits {ctx.payload}"
    raise RuntimeError(message)


def give_up(api: Api, helper_: str, *payloads: Any) -> list[str]:
    """Let executions be given up, one after the other; return their ids."""
    ids: list[str] = []
    for payload in payloads:
        ids.append(api.hub.enqueue(helper_, payload))
        assert api.hub.wait(ids[-1], timeout=SOON).status is Status.ERROR
    return ids


def orders(*numbers: int) -> list[dict[str, int]]:
    return [{"number": number} for number in numbers]


def test_dead_letters_are_listed_page_by_page_newest_first(serve: Serve) -> None:
    api = serve([picky, fussy], worker=True)
    ids = [*give_up(api, "picky", *orders(-1, -2, -3)), *give_up(api, "fussy", 1)]

    first = api.client.get(PATH, params={"limit": 3}).json()
    second = api.client.get(PATH, params={"limit": 3, "cursor": first["next_cursor"]}).json()

    assert [one["id"] for one in first["dead"] + second["dead"]] == [*reversed(ids)]
    assert (first["total"], second["next_cursor"]) == (4, None)
    of_helper = api.client.get(PATH, params={"helper": "picky"}).json()["dead"]
    assert [one["id"] for one in of_helper] == [*reversed(ids[:3])]
    assert api.client.get(PATH, params={"cursor": "eyJhdCI6WzFdfQ"}).status_code == 404


def test_dead_letters_are_grouped_by_what_they_failed_of(serve: Serve) -> None:
    api = serve([picky, fussy], worker=True)
    ids = [*give_up(api, "picky", *orders(-1, -22, -3)), *give_up(api, "fussy", 1, "lost")]

    found = api.client.get(f"{PATH}/groups").json()

    first, *others = found["groups"]
    assert (first["helper"], first["count"], first["example"]) == ("picky", 3, ids[2])
    assert first["message"] == "order N of '...' can't be shipped"
    assert first["place"].endswith("in picky: raise ValueError(message)")
    assert {one["type"] for one in others} == {"RuntimeError", "LookupError"}
    assert (found["looked"], found["total"]) == (5, 5)
    of_cause = api.client.get(PATH, params={"cause": first["fingerprint"]}).json()["dead"]
    assert [one["id"] for one in of_cause] == [*reversed(ids[:3])]
    assert len(api.client.get(f"{PATH}/groups", params={"helper": "fussy"}).json()["groups"]) == 2


def test_dead_letter_is_shown_until_it_is_replayed(serve: Serve) -> None:
    api = serve([picky], worker=True)
    (id_,) = give_up(api, "picky", *orders(-1))

    shown = api.client.get(f"{PATH}/{id_}").json()
    replayed = api.client.post(f"{PATH}/{id_}/replay").json()
    again = api.client.post(f"{PATH}/{id_}/replay").json()

    assert shown["error"]["type"] == "ValueError"
    assert replayed["replay_of"] == id_
    assert (again["id"], again["undo"]) == (replayed["id"], None)
    assert api.client.get(f"{PATH}/{id_}").status_code == 404
    assert api.hub.wait(replayed["id"], timeout=SOON).status is Status.ERROR


def test_many_are_replayed_by_their_ids(serve: Serve) -> None:
    api = serve([picky], worker=True)
    ids = give_up(api, "picky", *orders(-1, -2))
    good = api.hub.enqueue("picky", {"number": 1})
    api.hub.wait(good, timeout=SOON)

    refused = api.client.post(f"{PATH}/replay", json={"ids": [*ids, good]})
    replayed = api.client.post(f"{PATH}/replay", json={"ids": ids}).json()["replayed"]

    assert refused.status_code == 404
    assert [row["replay_of"] for row in replayed] == ids
    for row in replayed:
        api.hub.wait(row["id"], timeout=SOON)


def test_payload_whose_secrets_were_taken_out_isnt_put_back(serve: Serve) -> None:
    api = serve(worker=True)
    dead = api.hub.enqueue("broken", {"password": "x"})
    api.hub.wait(dead, timeout=SOON)

    answer = api.client.post(f"/api/v1/dead-letters/{dead}/edit", json={"payload": {"password": "[redacted]"}})

    assert answer.status_code == 422
    assert "still says [redacted]" in answer.json()["detail"]
    assert api.hub.dead_letters.get(dead).id == dead


def test_edited_payload_is_signed_and_run(serve: Serve) -> None:
    api = serve([picky], worker=True)
    (id_,) = give_up(api, "picky", *orders(-1))

    replayed = api.client.post(f"{PATH}/{id_}/edit", json={"payload": {"number": 7}}).json()

    ended = api.hub.wait(replayed["id"], timeout=SOON)
    assert (ended.status, ended.result, ended.replay_of, ended.payload) == (Status.SUCCESS, 7, id_, {"number": 7})
    assert api.hub.dead_letters.count() == 0
    assert api.client.post(f"{PATH}/{id_}/edit", json={"payload": {"number": 8}}).status_code == 404
    entry = api.hub.audit.find(AuditFilter(action="dead.edit"), limit=1)[0]
    assert (entry["target"], entry["after"]["execution"]) == (id_, replayed["id"])


def test_payload_that_doesnt_fit_the_model_is_refused_and_the_letter_stays(serve: Serve) -> None:
    api = serve([picky], worker=True, settings={"HELPERHUB_MAX_PAYLOAD": "1024"})
    (id_,) = give_up(api, "picky", *orders(-1))

    wrong = api.client.post(f"{PATH}/{id_}/edit", json={"payload": {"number": "many"}})
    large = api.client.post(f"{PATH}/{id_}/edit", json={"payload": {"number": 1, "text": "x" * 2000}})

    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_payload")
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert api.client.post(f"{PATH}/{id_}/edit", json={}).status_code == 422
    assert api.client.get(f"{PATH}/{id_}").status_code == 200


def test_dead_letters_are_deleted_one_many_or_all_that_match(serve: Serve) -> None:
    api = serve([picky, fussy], worker=True)
    one, *two = give_up(api, "picky", *orders(-1, -2, -3))
    others = give_up(api, "fussy", 1, 2, "lost")
    groups = api.client.get(f"{PATH}/groups", params={"helper": "fussy"}).json()["groups"]

    assert api.client.delete(f"{PATH}/{one}").json()["deleted"] == 1
    assert api.client.delete(f"{PATH}/{one}").status_code == 404
    assert api.client.post(f"{PATH}/delete", json={"ids": two}).json()["deleted"] == 2
    assert api.client.post(f"{PATH}/delete", json={"cause": groups[0]["fingerprint"]}).json()["deleted"] == 2
    assert [one.id for one in api.hub.dead_letters.find(limit=9)] == others[2:]
    assert api.client.post(f"{PATH}/delete", json={}).status_code == 400
    assert api.client.post(f"{PATH}/delete", json={"ids": two, "all": True}).status_code == 400
    assert api.client.post(f"{PATH}/delete", json={"all": True}).json()["deleted"] == 1


def test_all_of_a_cause_are_replayed_by_an_execution_that_says_how_far_it_is(serve: Serve) -> None:
    api = serve([picky, fussy], worker=True)
    ids = give_up(api, "picky", *orders(-1, -2, -3))
    (other,) = give_up(api, "fussy", 1)
    cause = api.client.get(f"{PATH}/groups", params={"helper": "picky"}).json()["groups"][0]["fingerprint"]

    started = api.client.post(f"{PATH}/replay-matching", json={"cause": cause, "rate": "20/s"})

    assert (started.status_code, started.json()["helper"]) == (202, "helperhub.replay")
    ended = api.hub.wait(started.json()["id"], timeout=SOON)
    assert ended.result == {"replayed": 3, "of": 3, "stopped": None}
    assert {one.replay_of for one in api.hub.executions.records.of_helper("picky")} == {None, *ids}
    assert api.hub.dead_letters.is_dead(other)
    noted = [one["action"] for one in api.hub.audit.find(AuditFilter(action="dead."), limit=9)]
    assert noted == ["dead.replayed", "dead.replay-matching"]


def test_replay_of_all_must_say_what_and_how(api: Api) -> None:
    for wrong in ({}, {"all": True, "rate": "fast"}, {"all": True, "rate": "0/s"}):
        assert api.client.post(f"{PATH}/replay-matching", json=wrong).status_code == 400
    assert api.client.post(f"{PATH}/replay-matching", json={"all": True, "stop_after_failures": 0}).status_code == 422


def test_narrowed_key_sees_replays_and_deletes_only_its_own(serve: Serve) -> None:
    api = serve([picky, fussy], worker=True)
    (own,), (hidden,) = give_up(api, "picky", *orders(-1)), give_up(api, "fussy", 1)
    narrowed = api.asking(Scope.MANAGE, helpers=["picky"])

    listed = narrowed.get(PATH).json()
    assert ([one["id"] for one in listed["dead"]], listed["total"]) == ([own], None)
    grouped = narrowed.get(f"{PATH}/groups").json()
    assert ([one["helper"] for one in grouped["groups"]], grouped["total"]) == (["picky"], None)
    assert narrowed.get(f"{PATH}/{hidden}").status_code == 404
    assert narrowed.post(f"{PATH}/{hidden}/replay").status_code == 404
    assert narrowed.post(f"{PATH}/{hidden}/edit", json={"payload": 1}).status_code == 404
    assert narrowed.delete(f"{PATH}/{hidden}").status_code == 404
    assert narrowed.post(f"{PATH}/replay-matching", json={"all": True}).status_code == 403
    assert narrowed.post(f"{PATH}/delete", json={"all": True}).json()["deleted"] == 1
    assert api.hub.dead_letters.is_dead(hidden)


def test_dead_letter_of_a_cause_that_nobody_mends_stops_the_rest(serve: Serve) -> None:
    api = serve([picky])
    with working(api.hub, threads=1):
        give_up(api, "picky", *orders(-1, -2, -3, -4, -5))

        body = {"helper": "picky", "stop_after_failures": 2}
        started = api.client.post(f"{PATH}/replay-matching", json=body).json()["id"]

        ended = api.hub.wait(started, timeout=SOON * 2)
    assert ended.result == {"replayed": 2, "of": 5, "stopped": "the first 2 failed again in the same way"}
    assert api.hub.dead_letters.count() == 5
