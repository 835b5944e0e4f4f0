"""The scheduler's clock: APScheduler wakes planning, promotion and cleaning."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from helperhub.errors import HelperHubError
from helperhub.scheduler.janitor import Janitor, Janitors
from helperhub.scheduler.planner import Planner
from helperhub.scheduler.promoter import Promoter, Promotion

_log = logging.getLogger("helperhub.scheduler")
#: The plan is looked at this often even if nothing is known to be due: people change it.
_LOOK = timedelta(milliseconds=400)
_SOON_S = 0.03
_REAP = timedelta(seconds=2)
#: Whoever waits for a callback waits for this too.
_TELL = timedelta(milliseconds=500)
_CLEAN = timedelta(seconds=60)
_REGISTER = timedelta(seconds=5)
#: APScheduler goes by the wall clock: if that jumps, promotion is woken again after this long.
_STALLED_S = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """Something that a scheduler does now and then.

    Args:
        name: What the log calls it.
        run: Does it.
        every: How often.
    """

    name: str
    run: Callable[[], object]
    every: timedelta


class Clock:
    """Runs planner, promoter and janitor until it is stopped; any number may run at once."""

    def __init__(
        self,
        planner: Planner,
        promoter: Promoter,
        janitor: Janitor | Janitors,
        *,
        plan_every: timedelta,
        register: Callable[[], object],
        tell_untold: Callable[[], int],
        keep_limits: Callable[[], int],
        registered: bool = True,
    ) -> None:
        """Prepare; `run` begins.

        Args:
            planner: Extends the plan.
            promoter: Enqueues what is due.
            janitor: Cleans.
            plan_every: How often the plan is extended.
            register: Enters the plugins' helpers; called when Redis has come back with less than it had.
            tell_untold: Tells of dead letters that no worker could tell of, and enqueues callbacks of what ended.
            keep_limits: Brings limits to every shard, and frees slots that nobody holds.
            registered: Whether they are entered; else that is tried until it works.
        """
        self._more: list[Work] = []
        self._at_stop: list[Work] = []
        self._tell_untold = tell_untold
        self._keep_limits = keep_limits
        self._register = register
        self._registered = registered
        self._planner = planner
        self._promoter = promoter
        self._janitor = janitor
        self._plan_every = plan_every
        self._stop = threading.Event()
        self._promoted_at = time.monotonic()
        self._revision = -1
        self._failing: set[str] = set()
        # Timers of a few threads; every job is idempotent, so a late one is simply run once.
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )

    def run(self) -> None:
        """Work until `stop` is called, then return when nothing is in progress any more."""
        works = [
            # First of all: what this release knows counts from its first look at the plan.
            Work("agree", lambda: _ignore(self._janitor.agree()), _CLEAN),
            Work("plan", lambda: _ignore(self._planner.plan()), self._plan_every),
            Work("promote", self._promote, _LOOK),
            Work("reap", self._reap, _REAP),
            Work("sweep", lambda: _ignore(self._janitor.sweep()), _CLEAN),
            Work("tell", lambda: _ignore(self._tell_untold()), _TELL),
            Work("trim", lambda: _ignore(self._janitor.trim()), _CLEAN),
            Work("limits", lambda: _ignore(self._keep_limits()), _CLEAN),
            Work("register", self._register_if_needed, _REGISTER),
            *self._more,
        ]
        for work in works:
            self._scheduler.add_job(
                self._guarded,
                IntervalTrigger(seconds=work.every.total_seconds()),
                args=[work],
                id=work.name,
                next_run_time=datetime.now(UTC),
            )
        self._scheduler.start()
        try:
            while not self._stop.wait(0.5):
                if time.monotonic() - self._promoted_at > _STALLED_S:
                    self._wake_promotion(0.0)
        finally:
            self._scheduler.shutdown(wait=True)
            for work in self._at_stop:
                self._guarded(work)

    def add(self, *works: Work) -> None:
        """Do this too, from `run` on."""
        self._more += works

    def add_at_stop(self, name: str, run: Callable[[], object]) -> None:
        """Do this when it was told to stop, and nothing is in progress any more."""
        self._at_stop.append(Work(name, run, _REGISTER))

    @property
    def silent_s(self) -> float:
        """For how many seconds it has enqueued nothing that is due, nor found that nothing is."""
        return time.monotonic() - self._promoted_at

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stop.set()

    def _guarded(self, work: Work) -> None:
        try:
            work.run()
        except HelperHubError as error:
            # Whatever it is, the next turn tries again; told once per outage.
            if work.name not in self._failing:
                _log.warning("scheduler_delayed", extra={"work": work.name, "error": str(error)})
            self._failing.add(work.name)
        except Exception:  # noqa: BLE001 - a bug in one work must not stop the others; it is logged with its traceback
            _log.exception("scheduler_failed", extra={"work": work.name})
        else:
            if work.name in self._failing:
                self._failing.discard(work.name)
                _log.info("scheduler_recovered", extra={"work": work.name})

    def _promote(self) -> None:
        wait_s = 0.0
        # What is due within a moment is waited for here: APScheduler would find this very run still busy.
        while wait_s <= _SOON_S and not self._stop.wait(wait_s):
            promotion = self._promoter.promote()
            self._promoted_at = time.monotonic()
            self._follow(promotion.revision)
            wait_s = _wait_s(promotion)
        if _SOON_S < wait_s < _LOOK.total_seconds():
            self._wake_promotion(wait_s)

    def _follow(self, revision: int) -> None:
        if revision == self._revision:
            return
        if revision < self._revision:
            _log.warning("catalogue_lost", extra={"revision": revision, "known": self._revision})
            self._registered = False
            self._register_if_needed()
        self._revision = revision
        # Whoever changed a helper plans it, unless it died before that.
        self._planner.plan()

    def _register_if_needed(self) -> None:
        if not self._registered:
            self._register()
            self._registered = True

    def _wake_promotion(self, in_s: float) -> None:
        self._scheduler.modify_job("promote", next_run_time=datetime.now(UTC) + timedelta(seconds=in_s))

    def _reap(self) -> None:
        for lost in self._janitor.reap():
            fields = {"worker_id": lost.worker, "handed_out_again": lost.handed_out, "given_up": lost.given_up}
            _log.warning("worker_lost", extra=fields)


def _wait_s(promotion: Promotion) -> float:
    """Return the seconds until there is something to promote again, as far as is known."""
    if promotion.more and (promotion.enqueued or promotion.recorded):
        return 0.0
    return (promotion.next_due_ms - promotion.now_ms) / 1000 if promotion.next_due_ms else float("inf")


def _ignore(count: int) -> None:
    del count
