"""The composition root: the one place where objects meet."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import dramatiq

from helperhub import __version__
from helperhub.broker.broker import BrokerOptions, HelperHubBroker
from helperhub.broker.running import declare_helper
from helperhub.middleware import Policies, build_middleware
from helperhub.middleware.history import RecordsBackend
from helperhub.model.duration import to_ms
from helperhub.model.execution import Execution, Trigger
from helperhub.model.helper import DEFAULT_QUEUE
from helperhub.model.identity import new_execution_id
from helperhub.model.instant import epoch_ms
from helperhub.plugins.declaration import Helper
from helperhub.scheduler.janitor import Janitor
from helperhub.scheduler.planner import Planner
from helperhub.scheduler.promoter import Promoter
from helperhub.scheduler.records import RecordOf
from helperhub.services.checks import Checks
from helperhub.services.dead_letters import DeadLetters
from helperhub.services.enqueueing import Enqueueing, EnqueueOptions
from helperhub.services.executions import Executions
from helperhub.services.failure_notice import GivenUp, NoticeTargets, build_notice_helper
from helperhub.services.fleet import Queues, Workers
from helperhub.services.helpers import HelperChange, Helpers
from helperhub.services.plan import Plan
from helperhub.services.profiles import Profiles, QueueRules
from helperhub.settings import LoadedSettings, load_settings, plugin_settings, resolve_queue
from helperhub.store.bell import Bell
from helperhub.store.catalogue import Catalogue
from helperhub.store.connection import build_client
from helperhub.store.executions import Executions as Records
from helperhub.store.keys import Keys
from helperhub.store.queues import Queues as QueueStore
from helperhub.store.scripts import Scripts
from helperhub.store.workers import Workers as WorkerStore
from helperhub.supervise.embedded import attach
from helperhub.supervise.keeper import Keeper
from helperhub.supervise.own_keeper import OwnKeeper
from helperhub.telemetry.logs import set_log_context
from helperhub.telemetry.sentry import start_sentry

if TYPE_CHECKING:
    from helperhub.plugins.loader import Plugins
    from helperhub.scheduler.clock import Clock

#: Worker deaths with an execution in hand after which it is given up.
MAX_LOST = 5


class Hub:
    """One hub: its settings, its Redis, and everything that is done with them.

    Nothing connects and no plugin is loaded before it is needed.
    """

    def __init__(self, loaded: LoadedSettings, url: str) -> None:
        """Use ``loaded`` settings and the Redis at ``url``; `from_env` finds both."""
        self.loaded = loaded
        self.settings = loaded.settings
        self.url = url
        self.worker_id = f"{socket.gethostname()}:{os.getpid()}:{new_execution_id()[-4:]}"
        self._lock = threading.RLock()
        self._plugins: Plugins | None = None
        self._own_keeper: OwnKeeper | None = None

    @classmethod
    def from_env(cls, env_files: Sequence[Path] | None = None) -> Self:
        """Return the hub that the environment and its env files describe.

        Args:
            env_files: Read instead of those that ``HELPERHUB_ENV_FILE`` names.

        Raises:
            ConfigurationError: A setting is wrong.
            StoreUnavailable: No Redis is configured, and no embedded server runs.
        """
        loaded = load_settings(env_files)
        return cls(loaded, find_url(loaded))

    @cached_property
    def scripts(self) -> Scripts:
        """The store's scripts."""
        return Scripts(build_client(self.url), Keys(self.settings.hub))

    @cached_property
    def catalogue(self) -> Catalogue:
        """Specs, overrides and plan."""
        return Catalogue(self.scripts.client, self.scripts.keys)

    @cached_property
    def records(self) -> Records:
        """Executions as Redis holds them."""
        return Records(self.scripts.client, self.scripts.keys)

    @cached_property
    def profiles(self) -> Profiles:
        """What enqueueing needs to know of helpers."""
        return Profiles(self.catalogue, self.rules_of)

    @cached_property
    def broker(self) -> HelperHubBroker:
        """This process's Dramatiq broker."""
        worker = self.settings.worker
        options = BrokerOptions(
            worker=self.worker_id,
            lease_ms=to_ms(worker.lease),
            settle_window=worker.settle_window,
            shutdown_timeout_s=worker.shutdown_timeout.total_seconds(),
            max_payload=self.settings.max_payload,
            about={"host": socket.gethostname(), "pid": str(os.getpid()), "version": __version__},
            max_lost=MAX_LOST,
        )
        # The bell's reads block longer than a call may take, and it is rung from another thread.
        bell = Bell(build_client(self.url, retries=0), self.scripts.keys, self.worker_id)
        policies = Policies(
            records=RecordsBackend(self.records.get),
            max_result=self.settings.max_result,
            time_limit_of=lambda queue: self.rules_of(queue).time_limit,
            spec_of=self.profiles.spec_of,
            on_given_up=lambda message: self._given_up(message),  # noqa: PLW0108 - it needs the broker that is built here
            log_fields=set_log_context,
        )
        return HelperHubBroker(
            self.scripts, bell, options=options, profiles=self.profiles, middleware=build_middleware(policies)
        )

    @cached_property
    def helpers(self) -> Helpers:
        """List, show, enable, disable and update helpers."""
        return Helpers(self.scripts, self.catalogue, self._planner, self.settings.timezone)

    @cached_property
    def plan(self) -> Plan:
        """See the look-ahead; skip, move or run one planned execution."""
        return Plan(self.scripts, self.catalogue, self._record_of)

    @cached_property
    def executions(self) -> Executions:
        """List, show, cancel, replay and wait for executions."""
        expires = self._expires_after_of
        return Executions(self.scripts, self.records, self._queue_store, self.plan, expires)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """List, show, replay and delete dead letters."""
        return DeadLetters(self.scripts, self.executions)

    @cached_property
    def queues(self) -> Queues:
        """See, pause, resume and purge queues."""
        return Queues(self.scripts, self._queue_store)

    @cached_property
    def workers(self) -> Workers:
        """See, pause and resume worker processes."""
        return Workers(WorkerStore(self.scripts.client, self.scripts.keys), self._queue_store)

    def checks(self) -> Checks:
        """Return what ``helperhub doctor`` runs; loads the plugins."""
        plugins = self.load_plugins()
        return Checks(
            self.scripts,
            self.catalogue,
            self.workers.store,
            quarantined=tuple((plugin.name, plugin.reason) for plugin in plugins.quarantined),
            problems=tuple((plugin.name, problem) for plugin in plugins.loaded for problem in plugin.problems),
            local_ms=lambda: epoch_ms(datetime.now(UTC)),
        )

    def enqueue(  # noqa: PLR0913 - the caller's whole vocabulary
        self,
        helper: str,
        payload: Any = None,
        *,
        delay: timedelta | None = None,
        at: datetime | None = None,
        priority: int | None = None,
        id: str | None = None,  # noqa: A002 - DESIGN's word
        expires_after: timedelta | None = None,
        metadata: Mapping[str, Any] | None = None,
        trigger: Trigger = Trigger.CODE,
    ) -> str:
        """Enqueue one execution of a helper and return its id.

        Args:
            helper: ``helper[/instance]``, or a plain actor's name.
            payload: What it is given, JSON; None means what its scheduled executions are given.
            delay: How long it waits first.
            at: When it is due; an aware time, instead of ``delay``.
            priority: 1 to 5; None means the helper's.
            id: The caller's id: enqueueing it again changes nothing and answers the same id.
            expires_after: It isn't started later than its due time plus this.
            metadata: Kept with it and searchable: app, user, source.
            trigger: What asked for it.

        Raises:
            NotFound: No helper has that name.
            UsageError: The payload or an option can't be used.
            QueueFull: Its queue has a bound and is full.
            StoreError: Redis can't take it.
        """
        options = EnqueueOptions(delay, at, priority, id, expires_after, metadata, trigger)
        return self._enqueueing.one(helper, payload, options)

    def enqueue_many(
        self, executions: Iterable[tuple[str, Any]], *, metadata: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Enqueue (helper, payload) pairs, 500 a round trip; return their ids in order.

        Raises:
            NotFound: No helper has one of the names; nothing was enqueued.
            UsageError: A payload can't be used; nothing was enqueued.
            QueueFull: A queue is full; the error says how many went in before.
            StoreError: Redis can't take them.
        """
        return self._enqueueing.many(executions, EnqueueOptions(metadata=metadata))

    def wait(self, execution_id: str, *, timeout: timedelta = timedelta(seconds=30)) -> Execution:
        """Return the execution once it is final, or as it stands after ``timeout``.

        Raises:
            NotFound: Nothing is known of it.
        """
        return self.executions.wait(execution_id, timeout=timeout)

    def _local_helper(self, name: str) -> Helper | None:
        for plugin in self._plugins.loaded if self._plugins else ():
            found = plugin.helpers.get(name)
            if isinstance(found, Helper):
                return found
        return None

    def load_plugins(self) -> Plugins:
        """Load the installed plugins and declare their actors, once; return what was found.

        Raises:
            ConfigurationError: Two plugins have one helper name.
        """
        with self._lock:
            if self._plugins is None:
                from helperhub.plugins.loader import load_plugins  # noqa: PLC0415 - commands that only look need none

                # Before any plugin is imported: a bare @dramatiq.actor binds to the broker that is set then.
                dramatiq.set_broker(self.broker)
                self._plugins = load_plugins(
                    blocked=self.settings.plugins.blocked,
                    settings_of=lambda section, model: plugin_settings(section, model, self.loaded),
                    timezone=self.settings.timezone,
                    started_at=_started_at(self.loaded.environ),
                )
                self._declare(self._plugins)
            return self._plugins

    def register(self, *, exclusive: bool = False, only_new: bool = False) -> HelperChange:
        """Enter what the plugins declare into the catalogue; see `Helpers.register`."""
        plugins = self.load_plugins()
        specs = [spec for plugin in plugins.loaded for spec in plugin.specs]
        spared = {plugin.distribution for plugin in plugins.quarantined}
        return self.helpers.register(specs, exclusive=exclusive, only_new=only_new, spared=spared)

    def start_reports(self) -> None:
        """Report errors of executions that this process gives up on to Sentry, if a DSN is set."""
        dsn = self.settings.sentry_dsn
        if dsn is not None:
            start_sentry(dsn.get_secret_value(), release=f"helperhub@{__version__}", environment=self.settings.hub)

    def build_clock(self, *, exclusive: bool = False) -> Clock:
        """Return a scheduler's clock; `Clock.run` works until it is stopped. See `register`."""
        from helperhub.scheduler.clock import Clock  # noqa: PLC0415 - APScheduler is for schedulers only

        promoter = Promoter(
            self.scripts,
            self.catalogue,
            scheduler=self.worker_id,
            grace=self.settings.scheduler.grace,
            record_of=self._record_of,
        )
        janitor = Janitor(
            self.scripts,
            self._queue_store,
            self.catalogue,
            keep_of=lambda queue: self.rules_of(queue).result_ttl,
            keep_failures=self.settings.history.keep_failures,
            memory_share=self.settings.history.memory_share,
            max_lost=MAX_LOST,
        )
        return Clock(
            self._planner,
            promoter,
            janitor,
            plan_every=self.settings.scheduler.plan_every,
            on_empty=lambda: self.register(exclusive=exclusive),
        )

    def build_keeper(self) -> Keeper:
        """Return a keeper for worker processes that this process supervises."""
        return Keeper(self.scripts, lease=self.settings.worker.lease, max_lost=MAX_LOST)

    def keep_own_lease(self) -> None:
        """Give this process, should it become a worker process, a keeper of its own."""
        self.broker.on_worker = self._start_own_keeper

    def close(self) -> None:
        """End what this process holds: worker life, keeper, connections."""
        self.broker.close()
        if self._own_keeper is not None:
            self._own_keeper.stop()

    def rules_of(self, queue: str) -> QueueRules:
        """Return a queue's rules, from the settings."""
        found = resolve_queue(self.settings, queue)
        return QueueRules(found.time_limit, found.max_attempts, found.result_ttl, found.max_depth or 0)

    @cached_property
    def _queue_store(self) -> QueueStore:
        return QueueStore(self.scripts.client, self.scripts.keys)

    @cached_property
    def _enqueueing(self) -> Enqueueing:
        return Enqueueing(self.broker, self.profiles, self.catalogue, self._local_helper)

    @cached_property
    def _given_up(self) -> GivenUp:
        return GivenUp(self.broker, self.settings.on_failure.configured)

    @cached_property
    def _record_of(self) -> RecordOf:
        return RecordOf(lambda queue: self.rules_of(queue).max_attempts)

    @cached_property
    def _planner(self) -> Planner:
        window = self.settings.scheduler.window
        return Planner(self.scripts, self.catalogue, window, self.settings.timezone, self._record_of)

    def _expires_after_of(self, helper: str) -> timedelta | None:
        row = self.profiles.snapshot().rows.get(helper)
        return row.spec.expires_after if row else None

    def _declare(self, plugins: Plugins) -> None:
        for plugin in plugins.loaded:
            for name, found in plugin.helpers.items():
                if isinstance(found, Helper):
                    self._declare_helper(found, plugin.settings)
                elif name not in self.broker.actors:
                    self.broker.declare_actor(found)
        if self.settings.on_failure.configured:
            self._declare_helper(build_notice_helper(self._targets()), None)
        for queue in ("high", DEFAULT_QUEUE, "low"):
            self.broker.declare_queue(queue)

    def _declare_helper(self, found: Helper, settings: Any) -> None:
        declare_helper(self.broker, found, settings=settings, records=self.records)

    def _targets(self) -> NoticeTargets:
        on = self.settings.on_failure
        password = on.smtp_password.get_secret_value() if on.smtp_password else None
        return NoticeTargets(
            on.url, on.mail_to, on.mail_from, on.smtp_host, on.smtp_port, on.smtp_security, on.smtp_user, password
        )

    def _start_own_keeper(self, worker: str) -> None:
        lease = self.settings.worker.lease
        keeper = OwnKeeper(url=self.url, hub=self.settings.hub, worker=worker, lease=lease, max_lost=MAX_LOST)
        keeper.start()
        self._own_keeper = keeper


def find_url(loaded: LoadedSettings) -> str:
    """Return the Redis to use: the configured one, else the embedded server that runs.

    Raises:
        StoreUnavailable: Neither is there.
    """
    configured = loaded.settings.redis_url
    return attach(loaded.settings.data_dir) if configured is None else configured.get_secret_value()


def _started_at(environ: Mapping[str, str]) -> datetime:
    # A supervisor tells its children, so that "at this start" is one moment for all of them.
    told = environ.get("HELPERHUB_STARTED_AT")
    return datetime.fromtimestamp(int(told), UTC) if told else datetime.now(UTC)
