"""The composition root: the one place where objects meet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from helperhub.errors import StoreError, StoreForbidden, StoreRefused
from helperhub.model.execution import Execution, Trigger
from helperhub.model.identity import ExecutionId
from helperhub.scheduler.janitor import Janitor, Janitors
from helperhub.scheduler.promoter import Promoter
from helperhub.services.enqueueing import EnqueueOptions
from helperhub.services.heartbeat import Heartbeat
from helperhub.services.helpers import HelperChange
from helperhub.services.late_check_ins import LOOK_EVERY
from helperhub.services.start import check_schema, check_server, check_shards
from helperhub.settings import LoadedSettings, load_settings
from helperhub.store.executions import Executions as Records
from helperhub.store.queues import Queues as QueueStore
from helperhub.store.tail import Tail
from helperhub.store.watching import Watching
from helperhub.supervise.embedded import attach
from helperhub.use_cases import UseCases

if TYPE_CHECKING:
    from helperhub.scheduler.clock import Clock
    from helperhub.services.archiving import Archiver

_log = logging.getLogger("helperhub.hub")
#: A scheduler looks at what is due several times a second: silent this long, something is wrong with it.
_SILENT_S = 30.0


class Hub(UseCases):
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
            change = self.helpers.register(specs, exclusive=exclusive, only_new=only_new, spared=spared)
        except StoreForbidden as error:
            if not only_new:
                raise
            _log.warning("helpers_not_registered", extra={"error": error.message})
            return HelperChange("", enabled=True, planned=0, removed=0)
        if not only_new:
            self.installed.note(plugins, by=self.worker_id)
        return change

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

    def upgrade_archive(self) -> tuple[str | None, str]:
        """Bring the archive's tables up to this release; return the revision before and now, see `archive.upgrade`."""
        from helperhub.archive.upgrade import upgrade  # noqa: PLC0415 - SQLAlchemy costs 0.2 s

        return upgrade(self.archive.open(), hub=self.settings.hub)

    def build_archiver(self) -> Archiver:
        """Return what takes over what ended into the archive, until it is stopped.

        Raises:
            ConfigurationError: The archive is another hub's, or a newer release's.
            ArchiveError: It isn't set up, or away.
        """
        from helperhub.archive.audit import AuditChain  # noqa: PLC0415 - SQLAlchemy costs 0.2 s
        from helperhub.archive.upgrade import check  # noqa: PLC0415
        from helperhub.archive.writing import Writer  # noqa: PLC0415
        from helperhub.services.archiving import Archiver, AuditArchiver, ShardArchiver  # noqa: PLC0415

        database = self.archive.open()
        check(database, hub=self.settings.hub)
        shards = [
            ShardArchiver(
                number,
                part,
                Tail(part.client, part.keys),
                Records(part.client, part.keys, self._read_archived),
                Writer(database),
            )
            for number, part in enumerate(self.scripts.each)
        ]
        return Archiver(
            shards, AuditArchiver(self.scripts.each[0], AuditChain(database)), every=self.settings.archive.every
        )

    def build_clock(self, *, exclusive: bool = False, registered: bool = True) -> Clock:
        """Return a scheduler's clock; `Clock.run` works until it is stopped.

        Args:
            exclusive: See `register`.
            registered: Whether the plugins' helpers are in the catalogue; else it is tried again.
        """
        from helperhub.scheduler.clock import Clock, Work  # noqa: PLC0415 - APScheduler is for schedulers only

        promoter = Promoter(
            self.scripts,
            self.catalogue,
            scheduler=self.worker_id,
            grace=self.settings.scheduler.grace,
            record_of=self._record_of,
            plan=self._planner.plan,
            traces=self.traces,
        )
        janitors = [
            Janitor(
                part,
                QueueStore(part.client, part.keys),
                self.catalogue,
                keep_of=lambda queue: self.rules_of(queue).result_ttl,
                keep_failures=self.settings.history.keep_failures,
                memory_share=self.settings.history.memory_share,
                archived_only=self.settings.archive.enabled,
                scheduler=self.worker_id,
            )
            for part in self.scripts.each
        ]
        clock = Clock(
            self._planner,
            promoter,
            janitors[0] if len(janitors) == 1 else Janitors(janitors),
            plan_every=self.settings.scheduler.plan_every,
            register=lambda: self.register(exclusive=exclusive),
            keep_limits=self.limit_rules.keep,
            registered=registered,
            tell_untold=lambda: self._given_up.tell_untold(self.records) + self._ends.call_back(),
        )
        clock.add_at_stop(
            "stop", lambda: self.catalogue.note_stopped(self.worker_id, now_ms=self.scripts.due(limit=1).now_ms)
        )
        if self.settings.alerts.enabled:
            clock.add(Work("alerts", self.build_alert_watch().turn, self.settings.alerts.every))
        heartbeat = self.build_heartbeat(lambda: clock.silent_s)
        if heartbeat is not None:
            clock.add(Work("heartbeat", heartbeat.beat, self.settings.heartbeat.every))
        if self.late_check_ins is not None:
            clock.add(Work("monitors", self.late_check_ins.tell, LOOK_EVERY))
        return clock

    def build_heartbeat(self, silent_s: Callable[[], float]) -> Heartbeat | None:
        """Return what tells a service outside that all is well; None if there is none.

        Args:
            silent_s: For how long this scheduler has not enqueued what is due.
        """
        given = self.settings.heartbeat
        if given.url is None:
            return None
        return Heartbeat(
            given.url.get_secret_value(),
            "" if given.silent else given.fail,
            given.timeout,
            lambda: self._find_ailment(silent_s()),
        )

    def _find_ailment(self, silent_s: float) -> str:
        """Return what keeps this hub from its work, empty if nothing does."""
        if silent_s > _SILENT_S:
            return f"this scheduler has enqueued nothing for {silent_s:.0f} s"
        try:
            now_ms = self.scripts.due(limit=1).now_ms
            first = self.scripts.each[0]
            workers = Watching(first.client, first.keys).claiming(now_ms)
        except StoreError as error:
            return error.message
        return "" if workers else "no worker process claims"


def find_url(loaded: LoadedSettings) -> str:
    """Return the Redis to use: the configured one, else the embedded server that runs.

    Raises:
        StoreUnavailable: Neither is there.
    """
    configured = loaded.settings.redis_url
    return attach(loaded.settings.data_dir) if configured is None else configured.get_secret_value()
