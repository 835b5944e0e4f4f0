"""What a process is put together from: store, broker, plugins, clock, keepers."""

from __future__ import annotations

import os
import socket
import threading
from base64 import b64encode
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dramatiq

from helperhub import __version__
from helperhub.broker.broker import BrokerOptions, HelperHubBroker
from helperhub.broker.running import declare_helper
from helperhub.middleware import STANDS_FOR, Policies, build_middleware
from helperhub.middleware.history import RecordsBackend
from helperhub.middleware.sentry_reports import build_reports
from helperhub.model.duration import to_ms
from helperhub.model.execution import Trigger
from helperhub.model.helper import DEFAULT_QUEUE
from helperhub.model.identity import new_execution_id
from helperhub.model.notifier import Notifier
from helperhub.plugins.declaration import Helper
from helperhub.scheduler.planner import Planner
from helperhub.scheduler.records import RecordOf
from helperhub.services.alert_delivery import build_alert_helper, build_webhooks
from helperhub.services.archive_access import ArchiveAccess
from helperhub.services.callback_delivery import CallbackSecrets, build_callback_helper
from helperhub.services.callbacks import Ends
from helperhub.services.failure_notice import NOTICE_HELPER, GivenUp, NoticeTargets, build_notice_helper
from helperhub.services.outside import Outside
from helperhub.services.outside_addresses import parse_allowed
from helperhub.services.profiles import Profiles, QueueRules
from helperhub.services.traced_outside import TracedOutside
from helperhub.settings import LoadedSettings, plugin_settings, resolve_queue
from helperhub.settings.told import read_rings, read_started_at
from helperhub.store import schema
from helperhub.store.assurance import Assurance
from helperhub.store.bell import Bell
from helperhub.store.body import SEALED, Envelope, is_sealed
from helperhub.store.catalogue import Catalogue
from helperhub.store.connection import Client, build_client
from helperhub.store.envelope import Envelopes
from helperhub.store.executions import Executions as Records
from helperhub.store.keys import Keys
from helperhub.store.queues import Queues as QueueStore
from helperhub.store.record import Record
from helperhub.store.room import Room
from helperhub.store.scripts import Scripts
from helperhub.store.sharded_scripts import spread_scripts
from helperhub.store.sharded_views import spread_executions, spread_queues
from helperhub.supervise.embedded import is_url_of
from helperhub.supervise.keeper import Keeper
from helperhub.supervise.key_file import read_key_file
from helperhub.supervise.own_keeper import OwnKeeper
from helperhub.telemetry.check_ins import CheckIns
from helperhub.telemetry.loading import load_traces
from helperhub.telemetry.logs import set_log_context, take_over_dramatiqs_log
from helperhub.telemetry.monitors import MonitorRules
from helperhub.telemetry.sentry import start_sentry
from helperhub.trust.encryption import USE as ENCRYPTION
from helperhub.trust.encryption import Cipher
from helperhub.trust.keyring import HelperKeys
from helperhub.trust.redaction import redact, redact_fields
from helperhub.trust.signing import USE as SIGNING
from helperhub.trust.signing import Signatures

if TYPE_CHECKING:
    from helperhub.archive.database import Database
    from helperhub.plugins.loader import Plugins
    from helperhub.telemetry.traces import Traces


class Assembly:
    """The parts of one hub in this process, each built when it is first needed."""

    def __init__(self, loaded: LoadedSettings, url: str) -> None:
        """Use ``loaded`` settings and the Redis at ``url``; `from_env` finds both."""
        self.loaded = loaded
        self.settings = loaded.settings
        self.url = url
        self.worker_id = f"{socket.gethostname()}:{os.getpid()}:{new_execution_id()[-4:]}"
        self._lock = threading.RLock()
        self._plugins: Plugins | None = None
        self._own_keeper: OwnKeeper | None = None
        self._rules: dict[str, QueueRules] = {}

    @cached_property
    def scripts(self) -> Scripts:
        """The store's scripts, of all shards as one."""
        return self._build_scripts(build_client(self.url))

    def _build_scripts(self, client: Client) -> Scripts:
        disk, replicas = self.settings.durable, self.settings.replicas
        assurance = Assurance(disk=disk, replicas=replicas) if disk or replicas else None
        share = self.settings.enqueue.memory_share
        shards = (Keys(self.settings.hub, shard) for shard in range(self.settings.shards))
        parts = [Scripts(client, keys, Room(client, keys, share=share), assurance) for keys in shards]
        return spread_scripts(parts, lambda queue: resolve_queue(self.settings, queue).shard)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Specs, overrides and plan."""
        return Catalogue(self.scripts.client, self.scripts.keys, self.signatures)

    @cached_property
    def signatures(self) -> Signatures:
        """What is signed and checked, and by which keys.

        Raises:
            ConfigurationError: The keys in the data directory can't be used.
        """
        signing = self.settings.signing
        ring, given = read_rings(signing.keys, signing.helper_keys)
        if ring is None and not given and signing.enabled and self._is_embedded:
            ring = read_key_file(self.settings.data_dir)
        return Signatures(self.settings.hub, HelperKeys(ring, given, use=SIGNING), enabled=signing.enabled)

    @cached_property
    def envelopes(self) -> Envelopes:
        """What executions are given: signed for them, sealed if there is a key, and checked before they run."""
        encryption = self.settings.encryption
        keys = HelperKeys(*read_rings(encryption.keys, encryption.helper_keys), use=ENCRYPTION)
        return Envelopes(self.signatures, Cipher(self.settings.hub, keys, enabled=encryption.enabled))

    def require_trust(self, *, for_every_helper: bool = False) -> None:
        """Refuse to work for a hub that has no signing key and doesn't do without by name.

        Args:
            for_every_helper: Keys of single helpers aren't enough: schedulers sign for all.

        Raises:
            ConfigurationError: There is no key, or not the one that is needed.
        """
        if for_every_helper:
            self.signatures.require_all()
        self.signatures.require(NOTICE_HELPER if self.settings.on_failure.configured else "")
        self.envelopes.cipher.require()

    @cached_property
    def records(self) -> Records:
        """Executions as Redis holds them."""
        return spread_executions([Records(part.client, part.keys, self._read_shown) for part in self.scripts.each])

    def _read_archived(self, execution_id: str, record: Record) -> Envelope:
        """Return what an execution was given as the archive holds it: what was sealed stays so."""
        if is_sealed(record.body):
            return Envelope(args=({SEALED: b64encode(record.body).decode()},))
        return self._read_shown(execution_id, record)

    def _read_shown(self, execution_id: str, record: Record) -> Envelope:
        """Return what an execution was given, for people to look at: without what is secret in it."""
        envelope = self.envelopes.read(execution_id, record)
        # Asked only where there is something to hide: whoever reads a list of thousands waits for it.
        spec = self.profiles.spec_of(record.helper) if envelope.args or envelope.kwargs else None
        secret = spec.secret_fields if spec else ()
        if record.trigger == Trigger.WEBHOOK or b'"webhook":' in record.metadata:
            return replace(envelope, args=tuple(redact(list(envelope.args), secret)))
        if not secret:
            return envelope
        shown = redact_fields([list(envelope.args), envelope.kwargs], secret)
        return replace(envelope, args=tuple(shown[0]), kwargs=shown[1])

    @cached_property
    def archive(self) -> ArchiveAccess:
        """This process's way to the archive."""
        given = self.settings.database_url
        # Several hubs may share the directory, such as the demonstration's: each has a file of its own.
        file = self.settings.data_dir / f"archive-{self.settings.hub}.db"
        url = f"sqlite:///{file}" if given is None else given.get_secret_value()
        return ArchiveAccess(url, enabled=self.settings.archive.enabled)

    @property
    def database(self) -> Database | None:
        """The archive's database; None where no archive is wanted, or none was made on this machine yet."""
        return self.archive.database

    @cached_property
    def profiles(self) -> Profiles:
        """What enqueueing needs to know of helpers."""
        return Profiles(self.catalogue, self.rules_of)

    @cached_property
    def broker(self) -> HelperHubBroker:
        """This process's Dramatiq broker."""
        worker, enqueue = self.settings.worker, self.settings.enqueue
        options = BrokerOptions(
            worker=self.worker_id,
            lease_ms=to_ms(worker.lease),
            settle_window=worker.settle_window,
            shutdown_timeout_s=worker.shutdown_timeout.total_seconds(),
            max_payload=self.settings.max_payload,
            result_ttl_of=lambda queue: self.rules_of(queue).result_ttl,
            about=self._about(),
            wait_s=enqueue.wait.total_seconds() if enqueue.when_refused == "wait" else 0.0,
        )
        # Its wait has a loop of its own, which tries again.
        bell = Bell(build_client(self.url, retries=0), self.scripts.keys, self.worker_id)
        policies = Policies(
            records=RecordsBackend(self.records.get),
            max_result=self.settings.max_result,
            time_limit_of=lambda queue: self.rules_of(queue).time_limit,
            spec_of=self.profiles.spec_of,
            cancelled_of=self.records.are_cancelled,
            cancel_grace_s=worker.cancel_grace.total_seconds(),
            hard_after_s=worker.hard_limit_after.total_seconds(),
            on_given_up=lambda message: self._given_up(message),  # noqa: PLW0108 - it needs the broker that is built here
            queue_of=self.profiles.queue_of,
            open_group=lambda group, size, keep_ms: self.scripts.open_group(group, size, keep_ms=keep_ms),
            log_fields=set_log_context,
            take_over_log=lambda: take_over_dramatiqs_log(format=self.settings.log.format),
            traces=self.traces,
            sentry=build_reports(self.check_ins, self.settings.sentry.traces_sample_rate),
        )
        broker = HelperHubBroker(
            self.scripts,
            bell,
            options=options,
            profiles=self.profiles,
            envelopes=self.envelopes,
            queues=self._queue_store,
            records=self.records,
            middleware=build_middleware(policies),
            stands_for=STANDS_FOR,
        )
        # Whoever supervises this process says so before it becomes a worker process.
        broker.on_worker = self._start_own_keeper
        broker.on_no_worker = self._abandon_own_keeper
        return broker

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
                    started_at=read_started_at(self.loaded.environ),
                )
                self._declare(self._plugins)
            return self._plugins

    @cached_property
    def traces(self) -> Traces | None:
        """Makes spans for a collector; None unless HELPERHUB_OTEL_ENDPOINT is set, and then nothing of it is loaded.

        Raises:
            ConfigurationError: OpenTelemetry's SDK isn't installed.
        """
        endpoint = self.settings.otel_endpoint
        return load_traces(endpoint, hub=self.settings.hub, version=__version__, process=self.worker_id)

    def start_reports(self) -> None:
        """Report errors of executions that this process gives up on to Sentry, if a DSN is set."""
        dsn, told = self.settings.sentry_dsn, self.settings.sentry
        version, name = told.release or f"helperhub@{__version__}", told.environment or self.settings.hub
        start_sentry(dsn.get_secret_value() if dsn else "", release=version, environment=name)

    @cached_property
    def check_ins(self) -> CheckIns | None:
        """Tell Sentry's monitors of scheduled executions; None where there is no Sentry, or it isn't to be told."""
        told = self.settings.sentry
        rules = MonitorRules(self.settings.timezone, told.checkin_margin, lambda queue: self.rules_of(queue).time_limit)
        return CheckIns(rules, self.profiles.spec_of) if self.settings.sentry_dsn and told.check_ins else None

    def build_keeper(self) -> Keeper:
        """Return a keeper for worker processes that this process supervises."""
        # It has a loop of its own, and a shard that doesn't answer must not hold up the others' leases.
        scripts = self.scripts if self.settings.shards == 1 else self._build_scripts(build_client(self.url, retries=0))
        return Keeper(scripts, lease=self.settings.worker.lease)

    def close(self) -> None:
        """End what this process holds: worker life, keeper, connections."""
        self.broker.close()
        if self._own_keeper is not None:
            self._own_keeper.stop()
        for part in self.scripts.each:
            part.line.close()
        self.archive.close()
        traces: Traces | None = vars(self).get("traces")
        if traces is not None:
            traces.close()

    def _about(self) -> dict[str, str]:
        """Return what this process says of itself once it is a worker process."""
        known = str(schema.KNOWN.newest)
        return {"host": socket.gethostname(), "pid": str(os.getpid()), "version": __version__, "schema": known}

    def rules_of(self, queue: str) -> QueueRules:
        """Return a queue's rules, from the settings."""
        rules = self._rules.get(queue)
        if rules is None:
            found = resolve_queue(self.settings, queue)
            rules = QueueRules(found.time_limit, found.max_attempts, found.result_ttl, found.max_depth or 0)
            self._rules[queue] = rules
        return rules

    @property
    def _is_embedded(self) -> bool:
        # `up` tells its children the embedded server's URL as if it were configured.
        return self.settings.redis_url is None or is_url_of(self.settings.data_dir, self.url)

    @cached_property
    def _queue_store(self) -> QueueStore:
        return spread_queues([QueueStore(part.client, part.keys) for part in self.scripts.each])

    @cached_property
    def _given_up(self) -> GivenUp:
        return GivenUp(self.broker, self.settings.on_failure.configured, self._read_shown, self.profiles.spec_of)

    @cached_property
    def _record_of(self) -> RecordOf:
        return RecordOf(lambda queue: self.rules_of(queue).max_attempts, self.envelopes)

    @cached_property
    def _planner(self) -> Planner:
        return Planner(
            self.scripts, self.catalogue, self.settings.scheduler.window, self.settings.timezone, self._record_of
        )

    def _declare(self, plugins: Plugins) -> None:
        for plugin in plugins.loaded:
            for name, found in plugin.helpers.items():
                if isinstance(found, Helper):
                    self._declare_helper(found, plugin.settings)
                elif name not in self.broker.actors:
                    self.broker.declare_actor(found)
        if self.settings.on_failure.configured:
            self._declare_helper(build_notice_helper(self._targets()), None)
        self._declare_helper(self._build_callback_helper(), None)
        self._declare_helper(build_alert_helper(lambda: self.alert_targets), None)
        for queue in ("high", DEFAULT_QUEUE, "low"):
            self.broker.declare_queue(queue)

    def _declare_helper(self, found: Helper, settings: Any) -> None:
        declare_helper(self.broker, found, settings=settings, records=self.records)

    @cached_property
    def callback_secrets(self) -> CallbackSecrets:
        """What callbacks are signed with."""
        return CallbackSecrets(self.signatures, self.settings.hub)

    @cached_property
    def _ends(self) -> Ends:
        return Ends(self.broker, self.records, self.profiles, self._read_shown)

    @cached_property
    def alert_targets(self) -> list[Notifier]:
        """The ways to tell people of alerts that this process knows: URLs, and what its plugins brought in."""
        given, secrets = self.settings.alerts, self.callback_secrets.all
        first, second = ([url.get_secret_value() for url in urls] for urls in (given.webhooks, given.escalate_webhooks))
        found = build_webhooks(first, self._outside, secrets, second=False)
        found += build_webhooks([url for url in second if url not in first], self._outside, secrets, second=True)
        return found + [one for plugin in (self._plugins.loaded if self._plugins else ()) for one in plugin.notifiers]

    @cached_property
    def _outside(self) -> Outside:
        given = self.settings.callbacks
        return Outside(parse_allowed(given.allow), given.timeout, given.max_answer)

    def _build_callback_helper(self) -> Helper:
        given, outside = self.settings.callbacks, self._outside
        posts = outside if self.traces is None else TracedOutside(outside, self.traces)
        return build_callback_helper(posts, self.callback_secrets.all, delays=given.delays, queue=given.queue)

    def _targets(self) -> NoticeTargets:
        on = self.settings.on_failure
        password = on.smtp_password.get_secret_value() if on.smtp_password else None
        return NoticeTargets(
            on.url, on.mail_to, on.mail_from, on.smtp_host, on.smtp_port, on.smtp_security, on.smtp_user, password
        )

    def _abandon_own_keeper(self) -> None:
        if self._own_keeper is not None:
            self._own_keeper.abandon()

    def _start_own_keeper(self, worker: str, board: Path) -> None:
        keeper = OwnKeeper(
            url=self.url,
            hub=self.settings.hub,
            shards=self.settings.shards,
            worker=worker,
            lease=self.settings.worker.lease,
            board=board,
        )
        keeper.start()
        self._own_keeper = keeper
