"""The composition root: the one place where objects meet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from helperhub import __version__
from helperhub.assembly import Assembly
from helperhub.errors import StoreForbidden, StoreRefused
from helperhub.model.execution import Execution, Trigger
from helperhub.model.identity import ExecutionId
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.plugins.declaration import Helper
from helperhub.scheduler.janitor import Janitor, Janitors
from helperhub.scheduler.promoter import Promoter
from helperhub.services.accepting import Accepting, Spooling
from helperhub.services.api_keys import ApiKeys
from helperhub.services.audit import Audit
from helperhub.services.callbacks import Callbacks
from helperhub.services.checks import Checks
from helperhub.services.dead_letters import DeadLetters
from helperhub.services.deliveries import Deliveries
from helperhub.services.enqueueing import Enqueueing, EnqueueOptions
from helperhub.services.executions import Executions
from helperhub.services.fleet import Queues, Workers
from helperhub.services.helpers import HelperChange, Helpers
from helperhub.services.limits import LimitRules
from helperhub.services.live import Live
from helperhub.services.mass_replay import MassReplays, build_replay_helper
from helperhub.services.overview import Overview
from helperhub.services.plan import Plan
from helperhub.services.renewal import Renewal
from helperhub.services.start import check_schema, check_server, check_shards
from helperhub.services.webhooks import Webhooks
from helperhub.services.why import Why
from helperhub.settings import LoadedSettings, list_rules, load_settings
from helperhub.store.api_keys import ApiKeys as ApiKeyStore
from helperhub.store.audit import AuditStream
from helperhub.store.idempotency import Idempotency
from helperhub.store.queues import Queues as QueueStore
from helperhub.store.sharded_views import spread_workers
from helperhub.store.tail import Tail
from helperhub.store.webhooks import Webhooks as WebhookStore
from helperhub.store.workers import Workers as WorkerStore
from helperhub.supervise.embedded import attach

if TYPE_CHECKING:
    from helperhub.plugins.loader import Plugins
    from helperhub.scheduler.clock import Clock
    from helperhub.services.metrics import Metrics

_log = logging.getLogger("helperhub.hub")


class Hub(Assembly):
    """One hub: its settings, its Redis, and everything that is done with them.

    Nothing connects and no plugin is loaded before it is needed.
    """

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
    def helpers(self) -> Helpers:
        """List, show, enable, disable and update helpers."""
        return Helpers(
            self.scripts, self.catalogue, self._planner, self.settings.timezone, self.limit_rules, self.audit
        )

    @cached_property
    def limit_rules(self) -> LimitRules:
        """Bring limits of catalogue and settings to where the scripts see them."""
        return LimitRules(self.scripts, self.catalogue, list_rules(self.settings), self.profiles.snapshot)

    @cached_property
    def plan(self) -> Plan:
        """See the look-ahead; skip, move or run one planned execution."""
        return Plan(self.scripts, self.catalogue, self._record_of, self.audit)

    @cached_property
    def executions(self) -> Executions:
        """List, show, cancel, replay and wait for executions."""
        expires = self._expires_after_of
        return Executions(self.scripts, self.records, self._queue_store, self.plan, expires, self.envelopes, self.audit)

    @cached_property
    def why(self) -> Why:
        """Say why an execution stands where it does."""
        return Why(
            self.executions,
            limits=lambda: self.catalogue.read().limits(),
            queues=self._queue_store.stats,
            workers=self.workers.store.all,
            now=self._redis_time,
        )

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """List, show, replay and delete dead letters."""
        return DeadLetters(
            self.scripts,
            self.executions,
            self._local_helper,
            limit_key_of=lambda helper, queue: self.profiles(helper, queue).limit_key,
            max_payload=self.settings.max_payload,
        )

    @cached_property
    def mass_replays(self) -> MassReplays:
        """Replay all dead letters that match, by an execution of `helperhub.replay`."""
        return MassReplays(self.broker, self.dead_letters, self._redis_time)

    def _declare(self, plugins: Plugins) -> None:
        super()._declare(plugins)
        self._declare_helper(build_replay_helper(lambda: self.dead_letters), None)

    @cached_property
    def callbacks(self) -> Callbacks:
        """See what was told to whom, and tell it again."""
        return Callbacks(self.executions)

    @cached_property
    def renewal(self) -> Renewal:
        """See which keys are in use; sign and seal anew under the present ones."""
        return Renewal(self.scripts, self.records, self._queue_store, self.catalogue, self.envelopes)

    @cached_property
    def queues(self) -> Queues:
        """See, pause, resume and purge queues."""
        helpers = lambda: self.catalogue.read().rows  # noqa: E731 - read when it is asked
        return Queues(self.scripts, self._queue_store, self.records, helpers, self.audit)

    @cached_property
    def workers(self) -> Workers:
        """See, pause and resume worker processes."""
        stores = [WorkerStore(part.client, part.keys) for part in self.scripts.each]
        return Workers(spread_workers(stores), self._queue_store, self.audit)

    @cached_property
    def metrics(self) -> Metrics:
        """The hub in figures."""
        from helperhub.services.metrics import Metrics  # noqa: PLC0415 - Prometheus's client is for who serves metrics

        return Metrics(self.scripts, self.catalogue, self.workers.store)

    @cached_property
    def live(self) -> Live:
        """Outcomes as they are recorded."""
        return Live([Tail(part.client, part.keys) for part in self.scripts.each], self.records)

    @cached_property
    def overview(self) -> Overview:
        """See the hub as a whole: what it has, what is at work, what is missing."""
        stores = (self.scripts, self.catalogue, self._queue_store, self.workers.store, self.records)
        return Overview(self.settings.hub, __version__, *stores)

    @cached_property
    def audit(self) -> Audit:
        """Note and read who did what."""
        return Audit(AuditStream(self.scripts.client, self.scripts.keys))

    @cached_property
    def api_keys(self) -> ApiKeys:
        """Make, list, rotate, revoke and check API keys."""
        store = ApiKeyStore(self.scripts.client, self.scripts.keys)
        return ApiKeys(store, self.audit, self.settings.web.environment, self._redis_time)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Make, list, rotate, switch and delete webhooks."""
        store, cipher, most = WebhookStore(self.scripts), self.envelopes.cipher, self.settings.max_payload
        return Webhooks(store, self.audit, cipher, self.helpers.row, self._redis_time, most)

    @cached_property
    def deliveries(self) -> Deliveries:
        """Take in what is sent to webhooks."""
        return Deliveries(self.webhooks, self.accepting, self.profiles, self._redis_time)

    @cached_property
    def accepting(self) -> Accepting:
        """Take executions in from outside: into Redis, or while it is away onto disk (HELPERHUB_WEB__SPOOL)."""
        if not self.settings.web.spool:
            return Accepting(self._enqueueing, None)

        def renew() -> None:
            self.profiles.snapshot()
            self.deliveries.renew()

        directory = self.settings.data_dir / "spool"
        spooling = Spooling(directory, self.settings.hub, self.envelopes.cipher, self.ping, renew)
        return Accepting(self._enqueueing, spooling)

    @cached_property
    def kept_answers(self) -> Idempotency:
        """Answers to requests that may come again under one Idempotency-Key."""
        return Idempotency(self.scripts.client, self.scripts.keys)

    def ping(self) -> None:
        """Ask Redis whether it is there.

        Raises:
            StoreError: It isn't, or takes no new work.
        """
        self.scripts.due(limit=1)

    def _redis_time(self) -> datetime:
        return from_ms(self.scripts.due(limit=1).now_ms)

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
            signatures=self.signatures,
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
        wait: timedelta | None = None,
        unique_key: str | None = None,
        unique_for: timedelta | None = None,
        callback: str | None = None,
    ) -> ExecutionId:
        """Enqueue one execution of a helper and return its id; ``.existed`` tells whether it was there before.

        Args:
            helper: ``helper[/instance]``, or a plain actor's name.
            payload: What it is given, JSON; None means what its scheduled executions are given.
            delay: How long it waits first.
            at: When it is due; an aware time, instead of ``delay``.
            priority: 1 to 5; None means the helper's.
            id: The caller's id: enqueueing it again changes nothing and answers the same id.
            expires_after: It isn't started later than its due time plus this.
            metadata: Kept with it and searchable: app, user, source.
            trigger: What asked for it; what people start (``manual``) is in the audit.
            wait: How long to go on trying while Redis is away, short of memory, or the queue is full; 0 fails
                at once, None does as HELPERHUB_ENQUEUE__WHEN_REFUSED says.
            unique_key: Of a helper's executions with one key there is one: as long as it isn't over, the same key
                enqueues nothing and answers its id. At most 255 bytes.
            unique_for: The key is held for so long from now on instead, whatever becomes of the execution.
            callback: URL that gets its document when it ends, instead of the helper's.

        Raises:
            NotFound: No helper has that name.
            UsageError: The payload or an option can't be used.
            QueueFull: Its queue has a bound and is full.
            StoreError: Redis can't take it.
        """
        options = EnqueueOptions(
            delay, at, priority, id, expires_after, metadata, trigger, wait, unique_key, unique_for, callback
        )
        found = self._enqueueing.one(helper, payload, options)
        if trigger is Trigger.MANUAL and not found.existed:
            self.audit.note("helper.run", helper, after={"execution": str(found)})
        return found

    def enqueue_with(self, helper: str, payload: Any, options: EnqueueOptions) -> ExecutionId:
        """Enqueue as `enqueue`, with the options in one."""
        return self._enqueueing.one(helper, payload, options)

    def enqueue_many(
        self,
        executions: Iterable[tuple[str, Any]],
        *,
        metadata: Mapping[str, Any] | None = None,
        trigger: Trigger = Trigger.CODE,
        wait: timedelta | None = None,
        unique_key: Callable[[Any], str | None] | None = None,
        unique_for: timedelta | None = None,
        callback: str | None = None,
    ) -> list[ExecutionId]:
        """Enqueue (helper, payload) pairs, 500 a round trip; return their ids in order.

        Args:
            executions: The pairs.
            metadata: Kept with each.
            trigger: What asked for them.
            wait: As in `enqueue`.
            unique_key: Returns the unique key of each from its payload, or None; what has the key of one before it
                gets that one's id.
            unique_for: As in `enqueue`.
            callback: As in `enqueue`, for each.

        Raises:
            NotFound: No helper has one of the names; nothing was enqueued.
            UsageError: A payload can't be used; nothing was enqueued.
            QueueFull: A queue is full; the error says how many went in before.
            StoreError: Redis can't take them.
        """
        options = EnqueueOptions(metadata=metadata, trigger=trigger, wait=wait, callback=callback)
        return self._enqueueing.many(executions, options, unique_key=unique_key, unique_for=unique_for)

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

    def register(self, *, exclusive: bool = False, only_new: bool = False) -> HelperChange:
        """Enter what the plugins declare into the catalogue; see `Helpers.register`.

        A worker process whose Redis user may only read the catalogue leaves it to the schedulers.
        """
        plugins = self.load_plugins()
        specs = [spec for plugin in plugins.loaded for spec in plugin.specs]
        spared = {plugin.distribution for plugin in plugins.quarantined}
        try:
            # Workers leave the settings that schedulers have entered: those decide.
            self.limit_rules.enter(renew_settings=not only_new)
            return self.helpers.register(specs, exclusive=exclusive, only_new=only_new, spared=spared)
        except StoreForbidden as error:
            if not only_new:
                raise
            _log.warning("helpers_not_registered", extra={"error": error.message})
            return HelperChange("", enabled=True, planned=0, removed=0)

    def register_if_room(self, *, exclusive: bool = False, only_new: bool = False) -> bool:
        """Do as `register`; False if Redis has no room for it now, which must not keep anybody from his work."""
        try:
            self.register(exclusive=exclusive, only_new=only_new)
        except StoreRefused as error:
            _log.warning("register_refused", extra={"error": str(error)})
            return False
        return True

    def check_server(self, *, warn: bool = True) -> list[str]:
        """Refuse a server that would lose work, too few shards, or another release's keys; return what is to be said.

        See `services.start`.
        """
        warnings = check_server(self.scripts.client, durable=self.settings.durable, warn=warn)
        check_schema(self.scripts)
        check_shards(self.scripts)
        return warnings

    def build_clock(self, *, exclusive: bool = False, registered: bool = True) -> Clock:
        """Return a scheduler's clock; `Clock.run` works until it is stopped.

        Args:
            exclusive: See `register`.
            registered: Whether the plugins' helpers are in the catalogue; else it is tried again.
        """
        from helperhub.scheduler.clock import Clock  # noqa: PLC0415 - APScheduler is for schedulers only

        promoter = Promoter(
            self.scripts,
            self.catalogue,
            scheduler=self.worker_id,
            grace=self.settings.scheduler.grace,
            record_of=self._record_of,
            plan=self._planner.plan,
        )
        janitors = [
            Janitor(
                part,
                QueueStore(part.client, part.keys),
                self.catalogue,
                keep_of=lambda queue: self.rules_of(queue).result_ttl,
                keep_failures=self.settings.history.keep_failures,
                memory_share=self.settings.history.memory_share,
                scheduler=self.worker_id,
            )
            for part in self.scripts.each
        ]
        return Clock(
            self._planner,
            promoter,
            janitors[0] if len(janitors) == 1 else Janitors(janitors),
            plan_every=self.settings.scheduler.plan_every,
            register=lambda: self.register(exclusive=exclusive),
            keep_limits=self.limit_rules.keep,
            registered=registered,
            tell_untold=lambda: self._given_up.tell_untold(self.records) + self._ends.call_back(),
        )

    @cached_property
    def _enqueueing(self) -> Enqueueing:
        return Enqueueing(self.broker, self.profiles, self.catalogue, self._local_helper)

    def _expires_after_of(self, helper: str) -> timedelta | None:
        row = self.profiles.snapshot().rows.get(helper)
        return row.spec.expires_after if row else None


def find_url(loaded: LoadedSettings) -> str:
    """Return the Redis to use: the configured one, else the embedded server that runs.

    Raises:
        StoreUnavailable: Neither is there.
    """
    configured = loaded.settings.redis_url
    return attach(loaded.settings.data_dir) if configured is None else configured.get_secret_value()
