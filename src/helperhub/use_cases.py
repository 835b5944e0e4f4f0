"""What can be done with a hub: its use cases, each built when it is first needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from helperhub import __version__
from helperhub.assembly import Assembly
from helperhub.model.instant import epoch_ms, from_ms
from helperhub.plugins.declaration import Helper
from helperhub.services.accepting import Accepting, Spooling
from helperhub.services.alert_delivery import ALERT_HELPER
from helperhub.services.alert_facts import Sources, Watcher
from helperhub.services.alert_relay import Relay
from helperhub.services.alert_watch import AlertWatch
from helperhub.services.alerts import Alerts
from helperhub.services.api_keys import ApiKeys
from helperhub.services.archive_status import ArchiveStatus
from helperhub.services.archived import Archived
from helperhub.services.audit import Audit
from helperhub.services.backup import Backups
from helperhub.services.callbacks import Callbacks
from helperhub.services.checks import Checks
from helperhub.services.dead_letters import DeadLetters
from helperhub.services.deliveries import Deliveries
from helperhub.services.enqueueing import Enqueueing
from helperhub.services.executions import Executions
from helperhub.services.fleet import Queues, Workers
from helperhub.services.helpers import Helpers
from helperhub.services.installed import Installed
from helperhub.services.late_check_ins import LateCheckIns
from helperhub.services.limits import LimitRules
from helperhub.services.live import Live
from helperhub.services.mass_replay import MassReplays, build_replay_helper
from helperhub.services.overview import Overview
from helperhub.services.plan import Plan
from helperhub.services.renewal import Renewal
from helperhub.services.sessions import Sessions
from helperhub.services.undo import Undo
from helperhub.services.views import Views
from helperhub.services.webhooks import Webhooks
from helperhub.services.why import Why
from helperhub.settings import list_rules
from helperhub.settings.alerting import build_policy, list_thresholds
from helperhub.settings.variables import hide_login
from helperhub.store.alerts import Alerts as AlertStore
from helperhub.store.api_keys import ApiKeys as ApiKeyStore
from helperhub.store.audit import AuditStream
from helperhub.store.connection import SOCKET_TIMEOUT_S, hurry
from helperhub.store.idempotency import Idempotency
from helperhub.store.registered import Registered
from helperhub.store.sessions import Sessions as SessionStore
from helperhub.store.sharded_views import spread_workers
from helperhub.store.tail import Tail
from helperhub.store.views import Views as ViewStore
from helperhub.store.webhooks import Webhooks as WebhookStore
from helperhub.store.workers import Workers as WorkerStore

if TYPE_CHECKING:
    from helperhub.archive.audit import AuditChain
    from helperhub.plugins.loader import Plugins
    from helperhub.services.metrics import Metrics
    from helperhub.services.pruning import Pruning
    from helperhub.services.reports import Reports
    from helperhub.services.statistics import Statistics


#: How long one call may take where what it can't enqueue is spooled, seconds.
_HURRIED_S = 2.0


class UseCases(Assembly):
    """The use cases over one process's parts."""

    @cached_property
    def helpers(self) -> Helpers:
        """List, show, enable, disable and update helpers."""
        return Helpers(
            self.scripts, self.catalogue, self._planner, self.settings.timezone, self.limit_rules, self.audit
        )

    @cached_property
    def installed(self) -> Installed:
        """See which plugins the scheduler found."""
        return Installed(Registered(self.scripts.client, self.scripts.keys), self._redis_time)

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
        parts = self.scripts, self.records, self._queue_store, self.plan
        return Executions(*parts, expires, self.envelopes, self.audit, self.archived)

    @cached_property
    def archived(self) -> Archived:
        """Read what the archive has."""
        return Archived(lambda: self.database, self.settings.hub, len(self.scripts.each), self._read_shown)

    @cached_property
    def why(self) -> Why:
        """Say why an execution stands where it does."""
        return Why(
            self.executions,
            limits=lambda: self.catalogue.current().limits(),
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

    @cached_property
    def undo(self) -> Undo:
        """Undo what was deleted, replayed or purged a short while ago."""
        return Undo(self.scripts, self.executions)

    @cached_property
    def views(self) -> Views:
        """Save, list, rename and delete searches of executions."""
        return Views(ViewStore(self.scripts.each[0]), self.executions.read_query)

    def _declare(self, plugins: Plugins) -> None:
        super()._declare(plugins)
        self._declare_helper(build_replay_helper(lambda: self.dead_letters), None)

    @cached_property
    def callbacks(self) -> Callbacks:
        """See what was told to whom, and tell it again."""
        return Callbacks(self.executions)

    @cached_property
    def archive_status(self) -> ArchiveStatus:
        """See where the archive is, and how far it has come."""
        return ArchiveStatus(
            self.scripts.each,
            self.settings.archive.enabled,
            hide_login(self.archive.url),
            self.settings.hub,
            lambda: self.database,
            lambda: epoch_ms(self._redis_time()),
        )

    @cached_property
    def statistics(self) -> Statistics:
        """See what happened over a span: by helper, queue, hour and day."""
        from helperhub.services.statistics import Statistics  # noqa: PLC0415 - SQLAlchemy costs 0.2 s

        return Statistics(lambda: self.database, lambda: datetime.now(UTC))

    @cached_property
    def pruning(self) -> Pruning:
        """Remove what is old from the archive."""
        from helperhub.services.pruning import Pruning  # noqa: PLC0415 - as above

        return Pruning(lambda: self.database, self.records.dead_ids, self.audit, self._redis_time)

    @cached_property
    def reports(self) -> Reports:
        """Report on a week, and send that."""
        from helperhub.services.reports import Reports  # noqa: PLC0415 - as above

        return Reports(self.settings.hub, self.settings.timezone, self.statistics, self._targets())

    @cached_property
    def alerts(self) -> Alerts:
        """See alerts, take them on, change above what they fire."""
        rules = list_thresholds(self.settings), build_policy(self.settings)
        return Alerts(
            self._alert_store, self.audit, *rules, lambda: self._alert_relay, self.helpers.row, self._redis_time
        )

    def build_alert_watch(self) -> AlertWatch:
        """Return what a scheduler looks for alerts with."""
        sources = Sources(
            self.scripts,
            self.catalogue,
            self.profiles.snapshot,
            time_limit_of=lambda queue: self.rules_of(queue).time_limit,
            keep_of=lambda queue: self.rules_of(queue).result_ttl,
            archive_lag=self.archive_status.lag,
            timezone=self.settings.timezone,
            untold=frozenset({ALERT_HELPER}),
        )
        watcher = Watcher(sources, self.settings.alerts.window)
        rules = list_thresholds(self.settings), build_policy(self.settings)
        return AlertWatch(self._alert_store, watcher, *rules, self._alert_relay)

    @cached_property
    def _alert_store(self) -> AlertStore:
        return AlertStore(self.scripts.each[0])

    @cached_property
    def _alert_relay(self) -> Relay:
        return Relay(self._alert_store, self.broker, self.signatures, lambda: self.alert_targets)

    @cached_property
    def renewal(self) -> Renewal:
        """See which keys are in use; sign and seal anew under the present ones."""
        return Renewal(self.scripts, self.records, self._queue_store, self.catalogue, self.envelopes)

    @cached_property
    def queues(self) -> Queues:
        """See, pause, resume and purge queues."""
        helpers = lambda: self.catalogue.current().rows  # noqa: E731 - read when it is asked
        return Queues(self.scripts, self._queue_store, self.records, helpers, self.audit)

    @cached_property
    def workers(self) -> Workers:
        """See, pause and resume worker processes."""
        stores = [WorkerStore(part.client, part.keys) for part in self.scripts.each]
        return Workers(spread_workers(stores), self._queue_store, self.records, self.audit)

    @cached_property
    def metrics(self) -> Metrics:
        """The hub in figures."""
        from helperhub.services.metrics import Metrics  # noqa: PLC0415 - Prometheus's client is for who serves metrics

        return Metrics(self.scripts, self.catalogue, self.workers.store, self.alerts.firing)

    @cached_property
    def live(self) -> Live:
        """Outcomes as they are recorded."""
        return Live([Tail(part.client, part.keys) for part in self.scripts.each], self.records)

    @cached_property
    def late_check_ins(self) -> LateCheckIns | None:
        """Tell Sentry's monitors what no policy could; None where nobody asks."""
        if self.check_ins is None:
            return None
        tails = [Tail(part.client, part.keys, kinds="f") for part in self.scripts.each]
        return LateCheckIns(tails, self.records, self.check_ins)

    @cached_property
    def overview(self) -> Overview:
        """See the hub as a whole: what it has, what is at work, what is missing."""
        stores = (self.scripts, self.catalogue, self._queue_store, self.workers.store, self.records)
        return Overview(self.settings.hub, __version__, *stores, self.archive_status.problems, self.alerts.all)

    @cached_property
    def backups(self) -> Backups:
        """Write, check and restore backups of the hub's state."""
        parts = (self.scripts, self.catalogue, self.workers.store, self.audit)
        return Backups(self.settings.hub, __version__, *parts, believe=self.envelopes.open)

    @cached_property
    def audit(self) -> Audit:
        """Note and read who did what."""
        return Audit(AuditStream(self.scripts), self._audit_chain)

    def _audit_chain(self) -> AuditChain | None:
        database = self.database
        if database is None:
            return None
        from helperhub.archive.audit import AuditChain  # noqa: PLC0415 - SQLAlchemy costs 0.2 s

        return AuditChain(database)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """Make, list, rotate, revoke and check API keys."""
        store = ApiKeyStore(self.scripts)
        return ApiKeys(store, self.audit, self.settings.web.environment, self._redis_time)

    @cached_property
    def sessions(self) -> Sessions:
        """Sign people in to the dashboard, and out."""
        store, web = SessionStore(self.scripts.client, self.scripts.keys), self.settings.web
        return Sessions(store, self.api_keys, self.audit, self._redis_time, web.session_idle, web.session_most)

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
            return Accepting(self._enqueueing, None, self.audit)

        def renew() -> None:
            self.profiles.renew()
            self.deliveries.renew()

        directory = self.settings.data_dir / "spool"
        spooling = Spooling(directory, self.settings.hub, self.envelopes.cipher, self._look, renew, self._hurry)
        accepting = Accepting(self._enqueueing, spooling, self.audit)
        self.profiles.is_away = lambda: accepting.is_away
        return accepting

    @cached_property
    def kept_answers(self) -> Idempotency:
        """Answers to requests that may come again under one Idempotency-Key."""
        return Idempotency(self.scripts.client, self.scripts.keys)

    def ping(self) -> None:
        """Ask Redis whether it is there.

        Raises:
            StoreError: It isn't, or takes no new work.
        """
        self.accepting.check_there()
        self.scripts.due(limit=1)

    def _look(self) -> None:
        """Ask Redis as `ping` does, whatever is known."""
        self.scripts.due(limit=1)

    def _hurry(self) -> None:
        # What is to be safe on disk or in replicas may take longer than anything else.
        is_slow = self.settings.durable or self.settings.replicas
        hurry(self.scripts.client, SOCKET_TIMEOUT_S if is_slow else _HURRIED_S)

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

    def _local_helper(self, name: str) -> Helper | None:
        for plugin in self._plugins.loaded if self._plugins else ():
            found = plugin.helpers.get(name)
            if isinstance(found, Helper):
                return found
        return None

    @cached_property
    def _enqueueing(self) -> Enqueueing:
        return Enqueueing(self.broker, self.profiles, self.catalogue, self._local_helper)

    def _expires_after_of(self, helper: str) -> timedelta | None:
        row = self.profiles.snapshot().rows.get(helper)
        return row.spec.expires_after if row else None
