"""Dramatiq's broker over the store."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from dramatiq import Actor, Broker, Consumer, Message, Middleware, Worker
from dramatiq.errors import QueueNotFound

from helperhub.broker.claimer import ClaimerOptions
from helperhub.broker.consumer import HelperHubConsumer
from helperhub.broker.hooks import WorkerCantStart, check_encoder, check_threads
from helperhub.broker.intake import Intake
from helperhub.broker.joining import JoinableBroker
from helperhub.broker.message import ClaimedMessage, as_claimed
from helperhub.broker.options import check_actor, check_result_ttl
from helperhub.broker.pace import Pace
from helperhub.broker.patience import Patience
from helperhub.broker.publishing import ProfileSource, build_publication, delay_to_ms, queue_full, readdress
from helperhub.broker.reports import Reports
from helperhub.broker.sharded_worker import AnyClaimer, AnySettler, WorkerParts, build_worker
from helperhub.broker.vitality import Vitality
from helperhub.errors import CorruptRecord, HelperHubError, StoreError, StoreForbidden, UsageError
from helperhub.model.identity import ExecutionId
from helperhub.model.verdict import Outcome, Verdict
from helperhub.store.bell import Bell
from helperhub.store.board import Board
from helperhub.store.envelope import Envelopes
from helperhub.store.executions import Executions
from helperhub.store.queues import Queues
from helperhub.store.scripts import ID_TAKEN, KEY_HELD, NOT_PERMITTED, Gone, Publication, Scripts

_log = logging.getLogger("helperhub.broker")
#: Publications in one call; bounds the time that the script holds Redis.
PUBLISH_BATCH = 500


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """How a broker behaves.

    Args:
        worker: Id of this process, should it become a worker process.
        lease_ms: How long a worker process may be silent.
        settle_window: Outcomes that may be unsettled at once; None means 4 x threads.
        shutdown_timeout_s: How long unsettled outcomes are tried at the end.
        max_payload: Largest arguments, bytes.
        about: What a worker process says of itself.
        wait_s: How long enqueueing goes on trying while Redis can't take it; 0 fails at once.
        result_ttl_of: How long results of a queue are kept; None means for ever.
    """

    worker: str
    lease_ms: int = 30_000
    settle_window: int | None = None
    shutdown_timeout_s: float = 30.0
    max_payload: int = 262_144
    about: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    result_ttl_of: Callable[[str], timedelta] | None = None


class HelperHubBroker(JoinableBroker):
    """Publishes through the store; in a worker process it also claims, hands over and settles."""

    def __init__(  # noqa: PLR0913 - called once, where objects meet
        self,
        scripts: Scripts,
        bell: Bell,
        *,
        options: BrokerOptions,
        profiles: ProfileSource,
        envelopes: Envelopes,
        queues: Queues,
        records: Executions,
        middleware: Sequence[Middleware],
        stands_for: Mapping[type[Middleware], type[Middleware]],
    ) -> None:
        """Build the broker; nothing connects before it is used.

        Args:
            scripts: The store.
            bell: This process's bell.
            options: How it behaves.
            profiles: Looks up what the catalogue says of a helper.
            queues: For `join`: how much is open in a queue.
            records: For `join`: which dead letters there are.
            envelopes: Signs what is enqueued, and checks what is claimed.
            middleware: The policies, in order.
            stands_for: Dramatiq's middleware to the policy in its place.
        """
        # Its hooks come first: what it can't start must not leave threads of others behind, which keep the process.
        super().__init__(scripts, queues, records, [_WorkerLife(self), *middleware], stands_for=stands_for)
        self.options = options
        self._bell = bell
        self._profiles = profiles
        self.envelopes = envelopes
        self.claimer: AnyClaimer | None = None
        self.settler: AnySettler | None = None
        #: Where the threads of a worker process take messages from.
        self.intake: Intake | None = None
        #: Where a worker process notes what it runs.
        self.board: Board | None = None
        #: What running executions say of themselves.
        self.reports: Reports | None = None
        self._stopping = threading.Lock()
        #: Called when this process became a worker process, with its id and its board: the keeper begins here.
        self.on_worker: Callable[[str, Path], None] = _nothing
        #: Called when it couldn't become one after all.
        self.on_no_worker: Callable[[], None] = _not_at_all

    # -- publishing ---------------------------------------------------------------------------

    def enqueue(
        self, message: Message[Any], *, delay: int | None = None, patience: Patience | None = None
    ) -> Message[Any]:
        """Enqueue ``message``, ``delay`` ms from now; a message in hand gets the verdict "retry" instead.

        ``patience`` says how long this call may wait; None does as the options say.

        Raises:
            QueueFull: Its queue has a bound and is full.
            UsageError: An option or the payload can't be used.
            StoreError: Redis can't take it.
        """
        claimed = as_claimed(message)
        if claimed is not None:
            delayed = Verdict(Outcome.RETRY, delay=timedelta(milliseconds=delay_to_ms(delay)))
            claimed.verdict = replace(delayed, reason=claimed.verdict.reason) if claimed.verdict else delayed
            return message
        return self.enqueue_many([message], delay=delay, patience=patience)[0]

    def patience(self, seconds: float | None = None) -> Patience:
        """Return the patience of one call that begins now; None does as the options say."""
        return Patience(self.options.wait_s if seconds is None else seconds)

    def enqueue_many(
        self, messages: Iterable[Message[Any]], *, delay: int | None = None, patience: Patience | None = None
    ) -> list[Message[Any]]:
        """Enqueue messages in one round trip each `PUBLISH_BATCH`; return them with the ids they got.

        ``patience`` says how long this call may wait; None does as the options say.

        Raises:
            QueueFull: A queue is full; the error says how many of them went in before.
            UsageError: An option or a payload can't be used; none went in.
            StoreError: Redis can't take them.
        """
        check_encoder()
        todo = list(messages)
        delay_ms = delay_to_ms(delay)
        for message in todo:
            self.emit_before("enqueue", message, delay)
        patience = patience or self.patience()
        # Built once: what is sent again after a lost reply is the same call.
        publications = patience.attempt(lambda: [self.publication(message, delay_ms=delay_ms) for message in todo])
        ids: list[str] = []
        for start in range(0, len(publications), PUBLISH_BATCH):
            ids += self._publish(publications[start : start + PUBLISH_BATCH], already=start, patience=patience)
        sent = [
            message if id_ == message.message_id and type(id_) is str else replace(message, message_id=id_)
            for message, id_ in zip(todo, ids, strict=True)
        ]
        for message in sent:
            self.emit_after("enqueue", message, delay)
        return sent

    def follow_up(self, claimed: ClaimedMessage, message: Message[Any], *, delay: int | None = None) -> Publication:
        """Return what enqueues ``message`` with the verdict on ``claimed``, whose own arguments may ride along.

        Raises:
            UsageError: An option or the payload can't be used.
        """
        made = self.publication(message, delay_ms=delay_to_ms(delay), extra_payload=len(claimed.record.body))
        # No second call is possible from within the settle script: signed for both ids.
        return replace(made, other_body=readdress(made, self.envelopes).record.body) if made.other_id else made

    def publication(self, message: Message[Any], *, delay_ms: int = 0, extra_payload: int = 0) -> Publication:
        """Return what would enqueue ``message``.

        Raises:
            UsageError: An option or the payload can't be used.
        """
        return build_publication(
            message,
            delay_ms=delay_ms,
            profile_of=self._profiles,
            actor=self.actors.get(message.actor_name),
            max_payload=self.options.max_payload + extra_payload,
            envelopes=self.envelopes,
        )

    def _publish(self, publications: Sequence[Publication], *, already: int, patience: Patience) -> list[str]:
        went_in: set[int] = set()

        def publish() -> list[str]:
            # A delay counts from the call, however long it had to wait.
            late_ms = int(patience.late_s * 1000)
            sooner = [_sooner(publication, late_ms) for publication in publications]
            answers = self.scripts.publish(sooner)
            # A message that was sent before: the id is part of what is signed, so another one is signed for anew.
            taken = [position for position, (code, _) in enumerate(answers) if code == ID_TAKEN]
            if taken:
                again = self.scripts.publish([readdress(sooner[position], self.envelopes) for position in taken])
                for position, answer in zip(taken, again, strict=True):
                    answers[position] = answer
            went_in.update(position for position, (code, _) in enumerate(answers) if code == 1)
            for publication, (code, text) in zip(publications, answers, strict=True):
                if code == NOT_PERMITTED:
                    message = f"This process's Redis user may not enqueue into queue '{text}'."
                    raise StoreForbidden(message, hint="'helperhub doctor --acl' prints the rules for each role.")
                if code == -1:
                    raise queue_full(publication, text, already + len(went_in))
            return [
                ExecutionId(text, existed=True)
                if code == KEY_HELD or (code == 0 and not publication.other_id and position not in went_in)
                else text
                for position, (publication, (code, text)) in enumerate(zip(publications, answers, strict=True))
            ]

        return patience.attempt(publish)

    # -- declaring ----------------------------------------------------------------------------

    def declare_actor(self, actor: Actor[..., Any]) -> None:
        """Take an actor in.

        Raises:
            InvalidHelper: Its name or an option can't be used.
        """
        check_actor(actor)
        if self.options.result_ttl_of is not None:
            check_result_ttl(actor, kept=self.options.result_ttl_of(actor.queue_name))
        super().declare_actor(actor)

    def declare_queue(self, queue_name: str) -> None:
        """Take a queue in; declaring it twice changes nothing."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    # -- working ------------------------------------------------------------------------------

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        """Return a consumer of a declared queue; how much is claimed ahead is the claimer's choice.

        Raises:
            QueueNotFound: The queue was never declared.
        """
        del prefetch
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)
        if self.claimer is None or self.settler is None:
            message = "This process is no worker: messages are consumed by a dramatiq.Worker."
            raise UsageError(message)
        knows = self._profiles.knows
        return HelperHubConsumer(self.claimer, self.settler, queue_name, timeout_ms=timeout, knows=knows)

    def start_worker(self, threads: int, queues: Sequence[str]) -> None:
        """Become a worker process: register, take a lease, begin to claim and settle.

        Args:
            threads: Executions it runs at once.
            queues: Queues it will serve, all known before the first claim, so that the higher goes first.

        Raises:
            HelperHubError: Redis is away, there is no signing key, or the threads are gevent's.
        """
        check_encoder()
        check_threads()
        self.envelopes.require_key()
        self.board = Board(threads)
        options = ClaimerOptions(
            threads,
            self.options.lease_ms,
            {**self.options.about, "threads": str(threads)},
            open_body=self.envelopes.open,
        )
        self.intake = Intake(Pace(threads), is_usual=self._is_usual)
        parts = WorkerParts(self.options.worker, self.board, options, _log_unreadable, self.intake)
        self.claimer, self.settler = build_worker(self.scripts, self._bell, parts, window=self.options.settle_window)
        self.reports = Reports(self.scripts)
        self.settler.start()
        self.reports.start()
        # Before the first claim: what it brings may hold the GIL from its first moment on.
        self.on_worker(self.options.worker, self.board.path)
        try:
            self.claimer.start(queues)
        except HelperHubError:
            self._forget_worker(self.settler)
            self.on_no_worker()
            raise

    def stop_worker(self) -> None:
        """Hand back what hasn't started, settle what has, and leave the registry. Never raises."""
        with self._stopping:
            claimer, settler = self.claimer, self.settler
            if claimer is None or settler is None:
                return
            self._stop_worker(claimer, settler)
            self._forget_worker()

    def _is_usual(self, message: ClaimedMessage) -> bool:
        # Dramatiq gives an actor that it doesn't know back through the consumer, and keeps what has an eta there.
        return message.actor_name in self.actors and "eta" not in message.options

    def _forget_worker(self, unused: AnySettler | None = None) -> None:
        if unused is not None:
            unused.close(0.0)
        if self.reports is not None:
            self.reports.stop()
        if self.board is not None:
            self.board.close()
        self.claimer = self.settler = self.board = self.reports = self.intake = None

    def _stop_worker(self, claimer: AnyClaimer, settler: AnySettler) -> None:
        claimer.stop()
        claimer.return_unstarted()
        left = settler.close(self.options.shutdown_timeout_s)
        # What a thread still runs is handed out when this process is gone, not before: the keeper sees to it.
        if claimer.in_hand == 0:
            with contextlib.suppress(StoreError):  # the lease ends by itself
                self.scripts.reap([Gone(self.options.worker, "it stopped", (), lost=False)])
        if left:
            _log.warning("outcomes_lost", extra={"executions": left})

    def close(self) -> None:
        """Stop being a worker process, and close the connections."""
        self.stop_worker()
        self.scripts.client.close()


class _WorkerLife(Middleware):
    """Begins and ends the broker's life as a worker process with the `dramatiq.Worker`'s."""

    def __init__(self, broker: HelperHubBroker) -> None:
        self._broker = broker
        self._vitality: Vitality | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        del broker
        only = worker.consumer_whitelist
        queues = [name for name in self._broker.queues if not only or name in only]
        try:
            self._broker.start_worker(worker.worker_threads, queues)
        except HelperHubError as error:
            # Any other error in a hook is logged, and a worker would live that can't work.
            raise WorkerCantStart(error) from error
        # Its threads aren't started yet, and are given whatever queue it has then.
        worker.work_queue = self._broker.intake  # type: ignore[assignment]  # what of a queue Dramatiq calls

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        del broker
        claimer, settler = self._broker.claimer, self._broker.settler
        if claimer is not None and settler is not None:
            self._vitality = Vitality(worker, claimer, settler)
            self._vitality.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        del broker, worker
        if self._vitality is not None:
            self._vitality.stop()
        claimer = self._broker.claimer
        if claimer is not None:
            claimer.stop()
            claimer.return_unstarted()
        if self._broker.intake is not None:
            self._broker.intake.close()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        del broker, worker
        self._broker.stop_worker()


def _sooner(publication: Publication, by_ms: int) -> Publication:
    return replace(publication, delay_ms=max(0, publication.delay_ms - by_ms)) if publication.delay_ms else publication


def _log_unreadable(execution_id: str, error: CorruptRecord) -> None:
    _log.error("record_unreadable", extra={"execution_id": execution_id, "error": str(error)})


def _not_at_all() -> None:
    return


def _nothing(worker: str, board: Path) -> None:
    del worker, board
