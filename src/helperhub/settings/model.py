"""Every setting with its default, unit and meaning; `settings.env.example` is written from this file.

Making a `Settings` reads nothing but its arguments: `load_settings` reads the environment.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from platformdirs import user_data_path
from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from helperhub.settings.alerts import AlertSettings, HeartbeatSettings
from helperhub.settings.kinds import (
    SECTION,
    Allowed,
    DatabaseUrl,
    Duration,
    Durations,
    Names,
    RedisUrl,
    Ring,
    RingsOfHelpers,
    Span,
    Word,
    Zone,
)
from helperhub.settings.sentry import SentrySettings

PREFIX = "HELPERHUB_"


class _Section(BaseModel):
    model_config = SECTION


class WorkerSettings(_Section):
    """Worker processes and what each takes at once."""

    processes: int = Field(default=4, ge=1, le=256)
    """Worker processes on this machine (count); also read from WORKER_COUNT. For work that computes, twice as many
    as cores: while threads of one process take turns, another goes on."""
    threads: int = Field(default=8, ge=1, le=1024)
    """Executions that one worker process runs at once (count)."""
    queues: Names = []
    """Queues to serve (names parted by commas, or a JSON list); empty means every queue."""
    lease: Span = timedelta(seconds=30)
    """How long a worker process may be silent before its work is handed out again (duration)."""
    settle_window: int | None = Field(default=None, ge=0)
    """Outcomes that may be on their way to Redis at once in a worker process (count); empty means 4 x threads,
    0 waits for every reply. A worker killed with -9 repeats at most threads + settle_window executions."""
    shutdown_timeout: Duration = timedelta(seconds=30)
    """How long a stopping worker process lets running executions finish before it hands them back (duration)."""
    hard_limit_after: Span = timedelta(seconds=30)
    """How long after its time limit, or after it was interrupted because somebody cancelled it, an execution
    that still runs is ended together with its worker process (duration)."""
    cancel_grace: Duration = timedelta(seconds=10)
    """How long a running execution that somebody cancelled may take to end by itself before it is interrupted
    (duration)."""
    recycle_executions: int | None = Field(default=None, ge=1)
    """Replace a worker process after this many executions (count); empty means never. One at a time."""
    recycle_age: Span | None = None
    """Replace a worker process that is this old (duration); empty means never. One at a time."""
    recycle_memory: int | None = Field(default=None, ge=10_000_000)
    """Replace a worker process that holds more memory than this (bytes, resident); empty means never. One at a
    time."""
    burst: bool = False
    """Stop when the queues are empty (true or false)."""
    max_executions: int | None = Field(default=None, ge=1)
    """Stop after this many executions (count); empty means never."""
    max_idle: Duration | None = None
    """Stop after this long without an execution (duration); empty means never."""


class SchedulerSettings(_Section):
    """The clock and its look-ahead."""

    window: Span = timedelta(hours=2)
    """Look-ahead: due times this far ahead are already planned and visible (duration)."""
    plan_every: Span = timedelta(minutes=5)
    """How often the look-ahead is extended (duration)."""
    grace: Duration = timedelta(seconds=5)
    """A due time passed by more than this counts as missed (duration)."""


class HistorySettings(_Section):
    """How long finished executions stay in Redis."""

    keep: Span = timedelta(hours=24)
    """How long successes are kept, unless their queue says otherwise (duration)."""
    keep_failures: Span = timedelta(days=7)
    """How long executions that expired, were skipped or cancelled, or were removed from the dead letters
    are kept (duration). Dead letters stay until somebody clears them."""
    memory_share: float = Field(default=0.25, gt=0.0, le=0.9)
    """Share of Redis's maxmemory that the history may take (0.0 to 0.9); without a maxmemory it isn't bounded."""


class ArchiveSettings(_Section):
    """Finished executions in SQL, for longer than Redis has room for them."""

    enabled: bool = True
    """Whether 'helperhub up' runs the archiver, and Redis keeps what it hasn't archived yet (true or false)."""
    every: Annotated[Span, Field(ge=timedelta(milliseconds=50), le=timedelta(minutes=1))] = timedelta(seconds=1)
    """How often what ended is taken over (duration, 50 ms to 1 min); what comes faster is taken over at once."""


class EnqueueSettings(_Section):
    """What enqueueing does when Redis can't take new work."""

    when_refused: Annotated[Literal["fail", "wait"], Word] = "fail"
    """fail raises at once when Redis is away, short of memory, or the queue is full; wait goes on trying first."""
    wait: Span = timedelta(seconds=30)
    """How long wait goes on trying (duration); then it fails."""
    memory_share: float = Field(default=0.8, ge=0.5, le=1.0)
    """Share of Redis's maxmemory above which new work is refused, so that running work can end (0.5 to 1.0)."""


class QueueSettings(_Section):
    """One queue's own rules; empty values mean the standard ones of its name."""

    time_limit: Span | None = None
    """How long one attempt may take (duration); standard: high 1h, default 2h, low 4h, others 10m."""
    max_attempts: int | None = Field(default=None, ge=1, le=1000)
    """Starts in all, the first included (count); standard: 4, low 3."""
    result_ttl: Span | None = None
    """How long its successes are kept (duration); standard: low 12h, others HELPERHUB_HISTORY__KEEP."""
    max_depth: int | None = Field(default=None, ge=1)
    """Most executions that may wait in it (count); more are refused. Empty means no bound."""
    max_running: int | None = Field(default=None, ge=1)
    """Most executions of it that run at once, all worker processes together (count); empty means no bound."""
    order: Annotated[Literal["priority", "deadline"] | None, Word] = None
    """deadline hands out what expires first, and what never expires after that; priority, or empty, by priority and
    due time."""
    shard: int | None = Field(default=None, ge=0)
    """Shard that its new executions go to (number from 0, below HELPERHUB_SHARDS); empty means 0."""


class PluginSettings(_Section):
    """Which plugins are loaded."""

    blocked: Names = []
    """Plugins not to load, by entry point name (names parted by commas, or a JSON list)."""


class OnFailureSettings(_Section):
    """Where executions that were given up on are reported, for every helper."""

    url: str | None = None
    """URL that gets a POST with the execution's document as JSON; empty means none."""
    mail_to: Names = []
    """Addresses that get a mail (parted by commas, or a JSON list); empty means none."""
    mail_from: str = "helperhub@localhost"
    """Sender address of these mails."""
    smtp_host: str = "localhost"
    """SMTP server."""
    smtp_port: int = Field(default=25, ge=1, le=65535)
    """SMTP port."""
    smtp_security: Annotated[Literal["none", "starttls", "tls"], Word] = "none"
    """none, starttls or tls."""
    smtp_user: str | None = None
    """SMTP user; empty means no login."""
    smtp_password: SecretStr | None = None
    """SMTP password."""

    @property
    def configured(self) -> bool:
        """Whether anybody wants to hear of failures."""
        return bool(self.url or self.mail_to)


class CallbackSettings(_Section):
    """URLs that are told how executions ended."""

    allow: Allowed = []
    """Inside targets that callbacks may go to: host names, addresses or networks such as 10.1.0.0/16 (parted by
    commas, or a JSON list). Everything outside may be called; empty means nothing inside."""
    timeout: Span = timedelta(seconds=10)
    """How long one call may take in all (duration)."""
    max_answer: int = Field(default=1024, ge=0, le=65_536)
    """How much of an answer is kept (bytes); the rest isn't read."""
    delays: Durations = [
        *(timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)),
        *(timedelta(hours=2), timedelta(hours=6), timedelta(hours=14)),
    ]
    """How long to wait after each failed call (durations parted by commas, or a JSON list), and up to a quarter longer
    by chance; after one more it is given up."""
    queue: str = Field(default="default", pattern=r"^[A-Za-z0-9._-]{1,80}$")
    """Queue that callbacks wait in. In one of their own, HELPERHUB_QUEUES__<QUEUE>__MAX_RUNNING bounds how many threads
    slow targets can hold."""


class SigningSettings(_Section):
    """Signatures: whoever can write to Redis but has no key can't have anything run."""

    enabled: bool = True
    """false trusts everybody who can write to Redis (true or false): nothing is signed or checked."""
    keys: Ring | None = None
    """Key ring, 'id:base64' parted by commas: the first signs, all are believed. 'helperhub trust new-key' prints
    one. Empty means the key that 'helperhub up' makes in HELPERHUB_DATA_DIR; a Redis of one's own needs a ring."""
    helper_keys: RingsOfHelpers | None = None
    """Instead of the ring, for worker processes that may run and enqueue only some helpers:
    'helper=id:base64' parted by commas, as 'helperhub trust derive' prints them."""


class EncryptionSettings(_Section):
    """Encryption of what executions are given (AES-256-GCM); needs 'helperhub[encryption]'."""

    enabled: bool = True
    """false encrypts nothing any more, and still opens what is encrypted (true or false)."""
    keys: Ring | None = None
    """Key ring, 'id:base64' parted by commas: the first encrypts, all open; empty means no encryption."""
    helper_keys: RingsOfHelpers | None = None
    """Instead of the ring, for worker processes that may read only some helpers' arguments:
    'helper=id:base64' parted by commas, as 'helperhub trust derive --encryption' prints them."""


class WebSettings(_Section):
    """The HTTP server: API, webhooks, metrics, dashboard."""

    enabled: bool = True
    """Whether 'helperhub up' serves HTTP too (true or false)."""
    host: str = "127.0.0.1"
    """Address to listen at. Anything but loopback is refused as long as there is no API key."""
    port: int = Field(default=8420, ge=0, le=65535)
    """Port to listen at; 0 takes any that is free."""
    root_path: str = Field(default="", pattern=r"^(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?$")
    """Path under which a proxy serves it, such as /hub; empty for none."""
    allowed_hosts: Names = []
    """Names that requests may be for (parted by commas, or a JSON list), beside loopback and HOST; * allows any."""
    proxies: Names = []
    """Addresses of proxies whose X-Forwarded-For and -Proto are believed (parted by commas, or a JSON list)."""
    open_reads: bool = False
    """true lets everybody read who reaches the server, without a key (true or false)."""
    environment: str = Field(default="live", pattern=r"^[a-z0-9]{1,12}$")
    """Word in new API keys that tells hubs apart, such as live or test: hh_live_..."""
    rate: int = Field(default=6000, ge=1)
    """Most requests of one key (count a minute), in each web process."""
    failures: int = Field(default=20, ge=1)
    """Wrong keys from one address (count a minute) before it has to wait, in each web process."""
    max_body: int = Field(default=1_048_576, ge=1024, le=67_108_864)
    """Largest body of a request (bytes)."""
    patience: Span = timedelta(seconds=15)
    """How long a request's head, and then its body, may take to arrive (duration)."""
    max_connections: int = Field(default=2000, ge=1)
    """Connections served at once (count); further ones are answered 503."""
    dashboard: bool = True
    """Whether the dashboard is served, under /ui/ (true or false)."""
    session_idle: Span = timedelta(hours=1)
    """A person's session in the dashboard ends when nothing was asked for so long (duration)."""
    session_most: Span = timedelta(hours=12)
    """And at last after so long (duration)."""
    spool: bool = False
    """Whether webhooks and runs are kept on disk in HELPERHUB_DATA_DIR, and answered 202, while Redis is away (true
    or false); else they are answered 503."""
    load_plugins: bool = False
    """Whether the HTTP server loads the plugins, as workers do, and so refuses payloads that don't fit their helpers'
    models (true or false); else the worker's check counts."""
    tls_cert: Path | None = None
    """Certificate chain (path, PEM) to speak TLS with; empty means plain HTTP, for a proxy that does."""
    tls_key: Path | None = None
    """Its private key (path, PEM); empty means that it is in the same file."""


class LogSettings(_Section):
    """Logs, on stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Word] = "info"
    """Least severe level that is written: debug, info, warning or error."""
    format: Annotated[Literal["auto", "text", "json"], Word] = "auto"
    """text for people, json for machines, auto picks text on a terminal and json elsewhere."""


class Settings(BaseSettings):
    """All settings of a hub."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    hub: str = Field(default="main", pattern=r"^[A-Za-z0-9._-]{1,40}$")
    """The hub's name; it is in every key, so several hubs can share one Redis."""
    redis_url: RedisUrl | None = None
    """Redis >= 7.0 or Valkey >= 8: redis://, rediss:// or unix://, redis+sentinel://host,host/name or
    redis+cluster://host,host; also read from REDIS_URL. Empty means the embedded server of the data directory."""
    database_url: DatabaseUrl | None = None
    """The archive's database: sqlite:///path or postgresql://user:password@host/name, one for each hub; also read from
    DATABASE_URL. Empty means archive-<hub>.db in the data directory."""
    data_dir: Path = Field(default_factory=lambda: user_data_path("helperhub", appauthor=False))
    """Directory of the embedded server's data (path); default: helperhub in the XDG data directory."""
    timezone: Zone = "UTC"
    """Zone of schedules that name none (IANA name)."""
    max_payload: int = Field(default=262_144, ge=1024, le=16_777_216)
    """Largest payload (bytes); a larger one is refused."""
    max_result: int = Field(default=65_536, ge=1024, le=1_048_576)
    """Largest result (bytes); a larger one is cut and marked truncated."""
    shards: int = Field(default=1, ge=1, le=64)
    """Parts that the hub's keys are split into (count), so that a Redis Cluster can hold them on several servers; a
    queue's SHARD says which is its own. Every process of a hub needs the same number."""
    max_running: int | None = Field(default=None, ge=1)
    """Most executions of the hub that run at once, all worker processes together (count); empty means no bound. Not
    with several shards."""
    durable: bool = False
    """Accept an execution only when the server has it on disk, so that no crash of the server loses it (true or
    false); needs appendonly, and Redis 7.2 or Valkey."""
    replicas: int = Field(default=0, ge=0, le=5)
    """Replicas that must have an execution before it is accepted (count); with HELPERHUB_DURABLE on their disks."""
    enqueue: EnqueueSettings = EnqueueSettings()
    worker: WorkerSettings = WorkerSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    history: HistorySettings = HistorySettings()
    archive: ArchiveSettings = ArchiveSettings()
    queues: dict[str, QueueSettings] = {}
    plugins: PluginSettings = PluginSettings()
    callbacks: CallbackSettings = CallbackSettings()
    signing: SigningSettings = SigningSettings()
    encryption: EncryptionSettings = EncryptionSettings()
    on_failure: OnFailureSettings = OnFailureSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()
    alerts: AlertSettings = AlertSettings()
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    otel_endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s/@]+(/\S*)?$")
    """OpenTelemetry collector that gets traces over OTLP/HTTP (URL, such as http://127.0.0.1:4318); needs
    'helperhub[otel]'. Empty means no traces."""
    sentry: SentrySettings = SentrySettings()
    sentry_dsn: SecretStr | None = None
    """Sentry project that gets the errors of executions that were given up on (URL with its key); also read from
    SENTRY_DSN. Empty means none."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.scheduler.plan_every >= self.scheduler.window:
            message = "HELPERHUB_SCHEDULER__PLAN_EVERY must be shorter than HELPERHUB_SCHEDULER__WINDOW."
            raise ValueError(message)
        if self.max_running is not None and self.shards > 1:
            message = "HELPERHUB_MAX_RUNNING can't be kept over several shards; bound its queues instead."
            raise ValueError(message)
        for name, queue in self.queues.items():
            if queue.shard is not None and queue.shard >= self.shards:
                setting = f"HELPERHUB_QUEUES__{name.upper()}__SHARD={queue.shard}"
                message = f"{setting} must be below HELPERHUB_SHARDS={self.shards}."
                raise ValueError(message)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - named by pydantic-settings
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only, so that the environment is read in one place."""
        return (init_settings,)
