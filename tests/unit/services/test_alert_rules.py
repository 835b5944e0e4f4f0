"""Each rule at its edge: what is just allowed is quiet, what is just above fires, what can't be seen is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helperhub.model.alert import AlertRule
from helperhub.services.alert_rules import Facts, QueueFact, RunningFact, Thresholds, decide_alerts

OFF = Thresholds(dict.fromkeys(AlertRule))


def only(rule: AlertRule, threshold: float | None, **overrides: float | None) -> Thresholds:
    """Return thresholds by which one rule alone can fire."""
    return Thresholds(
        {**OFF.defaults, rule: threshold}, {key.replace("__", " "): own for key, own in overrides.items()}
    )


def subjects(facts: Facts, thresholds: Thresholds) -> list[str]:
    return [one.subject for one in decide_alerts(facts, thresholds)]


def queue(waiting: int, oldest_s: float = 0.0, *, paused: bool = False) -> Facts:
    return Facts(queues=[QueueFact("default", waiting, oldest_s, paused)], workers=1)


def running(ran_s: float, limit_s: float = 100.0) -> Facts:
    return Facts(running=[RunningFact("x1", "slow", ran_s, limit_s), RunningFact("x2", "slow", 1, limit_s)])


@pytest.mark.parametrize(
    ("rule", "threshold", "quiet", "fires", "subject"),
    [
        (AlertRule.DEPTH, 100, queue(100), queue(101), "queue:default"),
        (AlertRule.FAILURES, 10, Facts(failures={"a": 10}), Facts(failures={"a": 11}), "helper:a"),
        (AlertRule.FAILURES, 10, Facts(failures={"a": 5, "b": 5}), Facts(failures={"a": 5, "b": 6}), "hub"),
        (AlertRule.DEAD_LETTERS, 0, Facts(), Facts(dead={"a": 1}), "helper:a"),
        (AlertRule.ABSENT, 300, Facts(absent={"a": 0}), Facts(absent={"a": 300.5}), "helper:a"),
        (AlertRule.LATE, 30, Facts(overdue={"a": 30}), Facts(overdue={"a": 30.1}), "helper:a"),
        (AlertRule.LATE, 30, queue(1, 30), queue(1, 30.1), "queue:default"),
        (AlertRule.LONG, 60, running(60), running(61), "helper:slow"),
        (AlertRule.NEAR_LIMIT, 0.9, running(90), running(91), "helper:slow"),
        (AlertRule.WORKER_LOST, 0, Facts(), Facts(lost_workers={"m": 1}), "worker:m"),
        (AlertRule.NO_WORKER, 10, replace(queue(1, 10), workers=0), replace(queue(1, 11), workers=0), "hub"),
        (AlertRule.SCHEDULER_LOST, 0, Facts(), Facts(lost_schedulers={"m": 1}), "scheduler:m"),
        (AlertRule.ARCHIVE_LAG, 300, Facts(archive_lag_s=300), Facts(archive_lag_s=301), "hub"),
        (AlertRule.MEMORY, 0.75, Facts(memory={"0": 0.75}), Facts(memory={"0": 0.76}), "redis:0"),
    ],
    ids=str,
)
def test_rule_fires_above_its_threshold_and_not_at_it(
    rule: AlertRule, threshold: float, quiet: Facts, fires: Facts, subject: str
) -> None:
    thresholds = only(rule, threshold)

    assert subjects(quiet, thresholds) == []
    (found,) = decide_alerts(fires, thresholds)
    assert (found.rule, found.subject, found.threshold) == (rule, subject, threshold)
    assert found.value > threshold
    assert "{" not in found.text
    assert subjects(fires, OFF) == []


def test_worker_that_claims_or_a_queue_that_is_paused_makes_no_worker_quiet() -> None:
    thresholds = only(AlertRule.NO_WORKER, 10)

    assert subjects(queue(1, 99), thresholds) == []
    assert subjects(replace(queue(1, 99, paused=True), workers=0), thresholds) == []


def test_paused_queue_is_not_late() -> None:
    assert subjects(queue(1, 99, paused=True), only(AlertRule.LATE, 30)) == []


def test_attempt_without_a_time_limit_is_never_near_it() -> None:
    assert subjects(running(1e6, 0.0), only(AlertRule.NEAR_LIMIT, 0.9)) == []


def test_hub_without_archive_has_no_lag() -> None:
    assert subjects(Facts(), only(AlertRule.ARCHIVE_LAG, 0)) == []


def test_helper_that_is_told_of_is_not_counted_as_the_hubs_trouble_too() -> None:
    facts = Facts(failures={"bad": 50, "a": 6, "b": 4})

    assert subjects(facts, only(AlertRule.FAILURES, 10)) == ["helper:bad"]


def test_own_threshold_goes_before_the_helpers_before_the_rules_before_the_setting() -> None:
    rule = AlertRule.DEAD_LETTERS
    thresholds = only(rule, 0, dead_letters=5, **{"dead_letters__helper:a": 7, "dead_letters__helper:a/x": None})

    assert [thresholds.of(rule, f"helper:{name}") for name in ("a/x", "a/y", "a", "b")] == [None, 7, 7, 5]
    assert only(rule, 0).of(rule, "helper:b") == 0


def test_what_cannot_be_seen_is_not_judged() -> None:
    facts = replace(queue(1000), unseen=frozenset({AlertRule.DEPTH}), unjudged=frozenset({"a"}))

    assert subjects(facts, only(AlertRule.DEPTH, 1)) == []
    assert facts.is_open(AlertRule.DEPTH, "queue:default")
    assert facts.is_open(AlertRule.ABSENT, "helper:a")
    assert not facts.is_open(AlertRule.ABSENT, "helper:b")
    assert not facts.is_open(AlertRule.LATE, "helper:a")


def test_names_with_braces_are_told_as_they_are_and_long_ones_cut() -> None:
    odd, endless = "{0.__class__}", "x" * 1000
    facts = Facts(queues=[QueueFact(odd, 5, 0), QueueFact(endless, 5, 0)])

    first, second = decide_alerts(facts, only(AlertRule.DEPTH, 1))

    assert odd in first.text
    assert len(second.text) <= 400
