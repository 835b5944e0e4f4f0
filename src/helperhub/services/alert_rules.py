"""What the rules see in the facts: pure decisions, one function a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from helperhub.model.alert import HUB, RULES, AlertRule, Observation, Unit, shorten, show_value
from helperhub.model.helper import split_key


@dataclass(frozen=True, slots=True)
class QueueFact:
    """A queue: what could start and waits, and for how long the first of it has been due (s)."""

    name: str
    waiting: int
    oldest_s: float
    paused: bool = False


@dataclass(frozen=True, slots=True)
class RunningFact:
    """An attempt that runs: for how long (s), and its time limit (s, 0 is none)."""

    id: str
    helper: str
    ran_s: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of the hub at one moment.

    Args:
        queues: The queues.
        failures: Executions given up in the window, by helper.
        dead: Dead letters of the window that are still there, by helper.
        absent: How long after its due time a success is missing (s), by helper; 0 where none is.
        overdue: How late the plan of a helper is (s), by helper.
        running: What runs.
        workers: Worker processes that claim.
        lost_workers: How many of a host died of late, by host.
        lost_schedulers: How many of a host fell silent of late, by host.
        archive_lag_s: How far the archive is behind; None where there is none.
        memory: Used share of maxmemory, by shard, where it is bounded.
        unseen: Rules whose facts couldn't be had: what they said before stands.
        unjudged: Helpers of which it isn't known whether a success is missing: the same.
    """

    queues: Sequence[QueueFact] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)
    absent: Mapping[str, float] = field(default_factory=dict)
    overdue: Mapping[str, float] = field(default_factory=dict)
    running: Sequence[RunningFact] = ()
    workers: int = 0
    lost_workers: Mapping[str, int] = field(default_factory=dict)
    lost_schedulers: Mapping[str, int] = field(default_factory=dict)
    archive_lag_s: float | None = None
    memory: Mapping[str, float] = field(default_factory=dict)
    unseen: frozenset[AlertRule] = frozenset()
    unjudged: frozenset[str] = frozenset()

    def is_open(self, rule: AlertRule, subject: str) -> bool:
        """Return whether these facts can't say anything of a rule and subject."""
        return rule in self.unseen or (rule is AlertRule.ABSENT and subject.removeprefix("helper:") in self.unjudged)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What each rule fires above; None is never.

    Args:
        defaults: As the settings say.
        overrides: As people changed it at run time, by rule or by ``rule subject``.
    """

    defaults: Mapping[AlertRule, float | None]
    overrides: Mapping[str, float | None] = field(default_factory=dict)

    def of(self, rule: AlertRule, subject: str) -> float | None:
        """Return what holds for a subject: its own, its helper's, the rule's, else the setting."""
        for key in _keys(rule, subject):
            if key in self.overrides:
                return self.overrides[key]
        return self.defaults[rule]


def key_of(rule: AlertRule, subject: str = "") -> str:
    """Return what an override is kept under."""
    return f"{rule.value} {subject}".rstrip()


def _keys(rule: AlertRule, subject: str) -> Iterator[str]:
    yield key_of(rule, subject)
    kind, _, name = subject.partition(":")
    if kind == "helper" and (whole := split_key(name)[0]) != name:
        yield key_of(rule, f"helper:{whole}")
    yield key_of(rule)


def decide_alerts(facts: Facts, thresholds: Thresholds) -> list[Observation]:
    """Return all that fires."""
    found: list[Observation] = []
    for rule in AlertRule:
        if rule not in facts.unseen:
            found += _DECIDE[rule](facts, thresholds)
    return found


def _above(thresholds: Thresholds, rule: AlertRule, subject: str, value: float, text: str) -> Iterator[Observation]:
    """Yield an observation if ``value`` is above its threshold; ``{}`` in ``text`` stand for value and threshold."""
    threshold = thresholds.of(rule, subject)
    if threshold is not None and value > threshold:
        unit = RULES[rule].unit
        told = text.format(show_value(unit, value), show_value(unit, threshold))
        yield Observation(rule, subject, value, threshold, shorten(told))


def _named(name: str) -> str:
    # Names of helpers and queues may be anybody's: they mustn't be read as places of a text.
    return name.replace("{", "{{").replace("}", "}}")


def _depth(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for queue in facts.queues:
        text = f"{{}} executions wait in queue '{_named(queue.name)}'{' (paused)' if queue.paused else ''}: above {{}}."
        yield from _above(thresholds, AlertRule.DEPTH, f"queue:{queue.name}", queue.waiting, text)


def _failures(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    rest = 0
    for helper, count in facts.failures.items():
        text = f"'{_named(helper)}' was given up {{}} times: above {{}}."
        own = list(_above(thresholds, AlertRule.FAILURES, f"helper:{helper}", count, text))
        # A helper that is told of by itself needn't be told of as the hub's trouble too.
        rest += 0 if own else count
        yield from own
    text = "{} executions of several helpers were given up: above {}."
    yield from _above(thresholds, AlertRule.FAILURES, HUB, rest, text)


def _dead_letters(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for helper, count in facts.dead.items():
        text = f"New dead letters of '{_named(helper)}': {{}}."
        yield from _above(thresholds, AlertRule.DEAD_LETTERS, f"helper:{helper}", count, text)


def _absent(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for helper, missing_s in facts.absent.items():
        # How long may be missing was decided where the due times are known.
        threshold = thresholds.of(AlertRule.ABSENT, f"helper:{helper}")
        if missing_s and threshold is not None:
            text = f"'{helper}' was due, and {show_value(Unit.SECONDS, threshold)} later there is no success."
            yield Observation(AlertRule.ABSENT, f"helper:{helper}", missing_s, threshold, shorten(text))


def _late(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for helper, late_s in facts.overdue.items():
        text = f"'{_named(helper)}' is due, and for {{}} nobody has enqueued it: above {{}}."
        yield from _above(thresholds, AlertRule.LATE, f"helper:{helper}", late_s, text)
    for queue in facts.queues:
        if not queue.paused:
            text = f"The first of queue '{_named(queue.name)}' has waited for {{}} to start: above {{}}."
            yield from _above(thresholds, AlertRule.LATE, f"queue:{queue.name}", queue.oldest_s, text)


def _by_helper(running: Sequence[RunningFact], value: Callable[[RunningFact], float]) -> Mapping[str, RunningFact]:
    """Return of each helper the attempt of the highest value."""
    worst: dict[str, RunningFact] = {}
    for one in running:
        if one.helper not in worst or value(one) > value(worst[one.helper]):
            worst[one.helper] = one
    return worst


def _long(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for helper, one in _by_helper(facts.running, lambda one: one.ran_s).items():
        text = f"'{_named(helper)}' has run for {{}} (execution {_named(one.id)}): above {{}}."
        yield from _above(thresholds, AlertRule.LONG, f"helper:{helper}", one.ran_s, text)


def _share(one: RunningFact) -> float:
    return one.ran_s / one.limit_s if one.limit_s else 0.0


def _near_limit(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for helper, one in _by_helper(facts.running, _share).items():
        text = f"'{_named(helper)}' has taken {{}} of its time limit (execution {_named(one.id)}): above {{}}."
        yield from _above(thresholds, AlertRule.NEAR_LIMIT, f"helper:{helper}", _share(one), text)


def _worker_lost(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for host, count in facts.lost_workers.items():
        text = f"Worker processes that died on {_named(host)}: {{}}; what they had in hand is handed out again."
        yield from _above(thresholds, AlertRule.WORKER_LOST, f"worker:{host}", count, text)


def _no_worker(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    waited_s = max((queue.oldest_s for queue in facts.queues if queue.waiting and not queue.paused), default=0.0)
    if not facts.workers:
        text = "Work has waited for {}, and no worker process claims it."
        yield from _above(thresholds, AlertRule.NO_WORKER, HUB, waited_s, text)


def _scheduler_lost(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for host, count in facts.lost_schedulers.items():
        text = f"Schedulers that fell silent on {_named(host)}: {{}}."
        yield from _above(thresholds, AlertRule.SCHEDULER_LOST, f"scheduler:{host}", count, text)


def _archive_lag(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    if facts.archive_lag_s is not None:
        text = "The archive is {} behind: above {}."
        yield from _above(thresholds, AlertRule.ARCHIVE_LAG, HUB, facts.archive_lag_s, text)


def _memory(facts: Facts, thresholds: Thresholds) -> Iterator[Observation]:
    for shard, share in facts.memory.items():
        text = f"Redis (shard {shard}) uses {{}} of its memory: above {{}}. When it is full it takes no new work."
        yield from _above(thresholds, AlertRule.MEMORY, f"redis:{shard}", share, text)


_DECIDE: Mapping[AlertRule, Callable[[Facts, Thresholds], Iterator[Observation]]] = {
    AlertRule.DEPTH: _depth,
    AlertRule.FAILURES: _failures,
    AlertRule.DEAD_LETTERS: _dead_letters,
    AlertRule.ABSENT: _absent,
    AlertRule.LATE: _late,
    AlertRule.LONG: _long,
    AlertRule.NEAR_LIMIT: _near_limit,
    AlertRule.WORKER_LOST: _worker_lost,
    AlertRule.NO_WORKER: _no_worker,
    AlertRule.SCHEDULER_LOST: _scheduler_lost,
    AlertRule.ARCHIVE_LAG: _archive_lag,
    AlertRule.MEMORY: _memory,
}
