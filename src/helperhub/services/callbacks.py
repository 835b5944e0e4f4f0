"""Callbacks: each end of an execution that somebody wants to hear of is told to a URL, once; see decision 0025."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from helperhub.broker.broker import HelperHubBroker
from helperhub.errors import CorruptRecord, HelperHubError, NotFound, StoreError, UsageError
from helperhub.model.callback_url import parse_callback_url
from helperhub.model.execution import Execution, Status
from helperhub.model.instant import to_rfc3339
from helperhub.services.callback_delivery import CALLBACK_HELPER
from helperhub.services.execution_pages import find_page
from helperhub.services.executions import ExecutionFilter, Executions
from helperhub.services.profiles import Profiles
from helperhub.store.executions import Executions as Records
from helperhub.store.record import ReadBody, Record, read_execution
from helperhub.store.scripts import Publication
from helperhub.telemetry.told import CARRIED
from helperhub.trust.redaction import redact_fields

_log = logging.getLogger("helperhub.callbacks")
#: Documents may be large, and all of a chunk go in one call.
_CHUNK = 25


@dataclass(frozen=True, slots=True)
class Ends:
    """Enqueues what calls back for executions that ended, however and wherever they did.

    Args:
        broker: Builds and publishes.
        records: What ended.
        profiles: Knows the helpers' own callbacks, and which fields of theirs are secret.
        read_body: Reads what an execution was given, without secrets.
    """

    broker: HelperHubBroker
    records: Records
    profiles: Profiles
    read_body: ReadBody

    def call_back(self) -> int:
        """Enqueue the callbacks that aren't yet; return how many ends were looked at.

        Doing it twice changes nothing: a callback's id follows from its execution's.

        Raises:
            StoreError: Redis can't take them; what wasn't enqueued will be the next time.
        """
        looked_at = 0
        while ids := self.records.uncalled(_CHUNK):
            found = dict(self.records.records(ids))
            publications = [made for id_, record in found.items() if (made := self._publication(id_, record))]
            self._publish(publications)
            for lost in set(ids) - found.keys():
                _log.warning("callback_lost", extra={"execution_id": lost})
            self.records.note_called(ids)
            looked_at += len(ids)
        return looked_at

    def _publish(self, publications: list[Publication]) -> None:
        answers = self.broker.scripts.publish(publications) if publications else []
        for publication, (code, _) in zip(publications, answers, strict=True):
            if code < 0:
                why = f"'{publication.id}' is somebody else's, or this Redis user may not enqueue it"
                _log.error("callback_impossible", extra={"execution_id": publication.id, "error": why})

    def _publication(self, execution_id: str, record: Record) -> Publication | None:
        url, carried = self._url_of(execution_id, record)
        if url is None:
            return None
        try:
            execution = read_execution(execution_id, record, read_body=self.read_body)
            if not execution.status.final:
                return None
            spec = self.profiles.spec_of(record.helper)
            secret = spec.secret_fields if spec else ()
            execution = replace(execution, result=redact_fields(execution.result, secret))
            event = build_event(execution, with_payload=not self.broker.envelopes.cipher.enabled)
            return self._wrap(execution, {"url": url, "event": event}, carried)
        except StoreError:
            raise
        except (HelperHubError, ValueError, LookupError) as error:
            # It would fail again: what isn't told must be seen.
            _log.error("callback_impossible", extra={"execution_id": execution_id, "error": str(error)})
            return None

    def _url_of(self, execution_id: str, record: Record) -> tuple[str | None, Mapping[str, Any]]:
        """Return the URL that its caller gave, if nobody changed it, else its helper's; and the trace it is part of."""
        try:
            options = self.broker.envelopes.open(execution_id, record).options
        except CorruptRecord:
            # Nobody with a key wrote it: whoever did doesn't choose where its document goes.
            options = {}
        spec = self.profiles.spec_of(record.helper)
        carried = {CARRIED: options[CARRIED]} if CARRIED in options else {}
        return options.get("callback") or (spec.callback if spec else None), carried

    def _wrap(self, execution: Execution, payload: Mapping[str, Any], carried: Mapping[str, Any]) -> Publication:
        about = {"execution": execution.id, "helper": execution.helper, "queue": execution.queue}
        message = self.broker.get_actor(CALLBACK_HELPER).message(dict(payload))
        options = {"keyed": True, "metadata": about, **carried}
        keyed = message.copy(message_id=f"callback:{execution.id}", options=options)
        # The document holds payload, result and errors, each of which has a bound of its own.
        made = self.broker.publication(keyed, extra_payload=len(orjson.dumps(payload)))
        # What follows from an end isn't held back by a full queue.
        return replace(made, bound=0)


def build_event(execution: Execution, *, with_payload: bool) -> dict[str, Any]:
    """Return what a callback posts: type, timestamp and the execution's document without what is secret.

    Args:
        execution: One that is over.
        with_payload: False where payloads are encrypted: they don't leave then.
    """
    document = execution.to_document()
    errors = [{name: value for name, value in error.items() if name != "traceback"} for error in document["errors"]]
    document |= {"errors": errors, "error": errors[-1] if errors else None}
    if not with_payload:
        document["payload"] = None
    at = execution.finished_at
    return {
        "type": f"execution.{execution.status.value}",
        "timestamp": to_rfc3339(at) if at else None,
        "data": document,
    }


@dataclass(frozen=True, slots=True)
class CallbackFilter:
    """Which callbacks to list; what is None doesn't count.

    Args:
        execution: Of this execution, replays too.
        statuses: In any of these states.
        since: That ended at or after.
        until: That ended at or before.
    """

    execution: str | None = None
    statuses: frozenset[Status] = frozenset()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The delivery log: what was told to whom, and how that went. Each is an execution."""

    executions: Executions

    def find(
        self, wanted: CallbackFilter, *, limit: int, sees: Callable[[str, str], bool] = lambda _helper, _queue: True
    ) -> list[dict[str, Any]]:
        """Return callbacks as documents, newest first.

        Args:
            wanted: Which.
            limit: At most so many.
            sees: Whether the asker may know of an execution of this helper in this queue.
        """
        found = (to_document(execution) for execution in self.executions.all_of(_of_callbacks(wanted)))
        return list(islice((one for one in found if sees(one["helper"], one["queue"])), limit))

    def page(
        self,
        wanted: CallbackFilter,
        *,
        limit: int,
        place: Mapping[str, Any] | None = None,
        sees: Callable[[str, str], bool] = lambda _helper, _queue: True,
    ) -> tuple[list[dict[str, Any]], Mapping[str, Any] | None]:
        """Return a page of callbacks as documents, newest first, and where the next one starts; None if it is the last.

        It may hold fewer than ``limit``, even none, where few fit.

        Args:
            wanted: Which.
            limit: At most so many.
            place: Where the page before ended; None for the first.
            sees: Whether the caller may see the callbacks of an execution of this helper and queue.

        Raises:
            NoSuchPage: ``place`` isn't one of this list.
        """

        def fits(callback: Execution) -> bool:
            document = to_document(callback)
            return sees(document["helper"], document["queue"])

        found = find_page(self.executions, _of_callbacks(wanted), limit=limit, place=place, fits=fits)
        return [to_document(execution) for execution in found.executions], found.following

    def get(self, callback_id: str) -> dict[str, Any]:
        """Return one callback as a document.

        Raises:
            NotFound: There is none of that id.
        """
        execution = self.executions.get(callback_id)
        if execution.helper != CALLBACK_HELPER:
            message = f"'{callback_id}' is no callback but an execution of '{execution.helper}'."
            raise NotFound(message, hint="'helperhub callbacks list' shows those there are.")
        return to_document(execution)

    def replay(self, callback_id: str) -> str:
        """Call back once more, with the same document and ``webhook-id``; return the new callback's id.

        Raises:
            NotFound: There is none of that id.
            Conflict: It isn't over yet.
        """
        self.get(callback_id)
        return self.executions.replay([callback_id])[0][1]


def _of_callbacks(wanted: CallbackFilter) -> ExecutionFilter:
    about = {"execution": wanted.execution} if wanted.execution is not None else None
    return ExecutionFilter(CALLBACK_HELPER, wanted.statuses, since=wanted.since, until=wanted.until, metadata=about)


def to_document(execution: Execution) -> dict[str, Any]:
    """Return a callback as every face shows it: without the document that it carries, and the URL without its query."""
    document, about = execution.to_document(), execution.metadata
    payload = execution.payload if isinstance(execution.payload, Mapping) else {}
    event = payload.get("event") or {}
    shared = ("id", "status", "reason", "attempt", "max_attempts", "due_at", "enqueued_at", "finished_at", "replay_of")
    return {
        **{name: document[name] for name in shared},
        "execution": str(about.get("execution", "")),
        "helper": str(about.get("helper", "")),
        "queue": str(about.get("queue", "")),
        "type": event.get("type") if isinstance(event, Mapping) else None,
        "url": _show_url(payload.get("url")),
        "answer": execution.result if isinstance(execution.result, Mapping) else None,
        "errors": [{**error, "traceback": ""} for error in document["errors"]],
    }


def _show_url(url: object) -> str | None:
    try:
        return str(parse_callback_url(url))
    except UsageError:
        return None


__all__ = ["CallbackFilter", "Callbacks", "Ends", "build_event", "to_document"]
