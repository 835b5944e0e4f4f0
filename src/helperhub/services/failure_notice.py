"""Tells somebody outside that an execution was given up: by mail, or by a POST to a URL."""

from __future__ import annotations

import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import orjson

from helperhub.broker.broker import HelperHubBroker
from helperhub.broker.message import ClaimedMessage
from helperhub.errors import HelperHubError
from helperhub.model.execution import Execution, Trigger
from helperhub.model.helper import HelperSpec
from helperhub.model.retry import RetryPolicy
from helperhub.plugins.declaration import Declaration, Helper
from helperhub.store.executions import Executions
from helperhub.store.record import ReadBody, read_execution
from helperhub.store.scripts import Publication
from helperhub.telemetry.sentry import report_given_up

#: The helper that carries notices; it is an execution like any other, but its own failure tells nobody.
NOTICE_HELPER = "helperhub.notify-failure"
_TIMEOUT_S = 20.0
_UNTOLD_CHUNK = 100


@dataclass(frozen=True, slots=True)
class NoticeTargets:
    """Where notices go.

    Args:
        url: Gets a POST with the document as JSON; None means no POST.
        mail_to: Addresses that get a mail; empty means no mail.
        mail_from: Sender.
        smtp_host: Server.
        smtp_port: Its port.
        smtp_security: ``none``, ``starttls`` or ``tls``.
        smtp_user: None means no login.
        smtp_password: For the login.
    """

    url: str | None = None
    mail_to: Sequence[str] = ()
    mail_from: str = "helperhub@localhost"
    smtp_host: str = "localhost"
    smtp_port: int = 25
    smtp_security: str = "none"
    smtp_user: str | None = None
    smtp_password: str | None = None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What follows when an execution is given up: Sentry is told, and a notice rides in the verdict.

    Args:
        broker: Builds the notice's publication.
        notice: Whether anybody wants notices.
        read_body: Reads what an execution was given, without secrets.
        spec_of: What holds for a helper or instance; None for one that the catalogue doesn't have.
    """

    broker: HelperHubBroker
    notice: bool
    read_body: ReadBody
    spec_of: Callable[[str], HelperSpec | None]

    def __call__(self, message: ClaimedMessage) -> list[Publication]:
        """Tell Sentry, and return what is enqueued together with the verdict."""
        if message.actor_name == NOTICE_HELPER:
            return []
        reason = message.verdict.reason if message.verdict else ""
        record = replace(message.record, status="e", reason=reason)
        execution = read_execution(message.execution_id, record, read_body=self.read_body)
        if message.error is not None:
            execution = replace(execution, errors=(*execution.errors, message.error))
        return self.tell(execution, message._exception, message.secret_texts)  # noqa: SLF001 - Dramatiq's own field has no reader

    def tell(
        self, execution: Execution, error: BaseException | None = None, secrets: Collection[str] = ()
    ) -> list[Publication]:
        """Tell Sentry of an execution that was given up, and return what is enqueued for whoever else wants to know.

        Telling twice changes nothing: event and notice have ids that follow from the execution's.
        """
        document = execution.to_document()
        spec = self.spec_of(execution.helper)
        report_given_up(document, error, secrets, plugin=(spec.plugin, spec.plugin_version) if spec else ("", ""))
        if not self.notice or execution.helper == NOTICE_HELPER:
            return []
        message = self.broker.get_actor(NOTICE_HELPER).message(document)
        keyed = message.copy(message_id=f"notice:{execution.id}", options={"keyed": True})
        return [self.broker.publication(keyed)]

    def tell_untold(self, records: Executions) -> int:
        """Tell of the dead letters that no worker could tell of; return how many.

        A worker process that died, a record that can't be decoded, a forged message: there no policy ran.
        """
        told = 0
        while ids := records.untold(_UNTOLD_CHUNK):
            for execution_id in ids:
                for execution in records.get_many([execution_id]):
                    publications = self.tell(execution)
                    if publications:
                        self.broker.scripts.publish(publications)
                records.note_told(execution_id)
            told += len(ids)
        return told


def build_notice_helper(targets: NoticeTargets) -> Helper:
    """Return the helper that carries notices to ``targets``."""

    def notify(ctx: Any) -> dict[str, Any]:
        return send_notice(ctx.payload, targets)

    spec = HelperSpec(
        name=NOTICE_HELPER,
        queue="high",
        retry=RetryPolicy(max_attempts=6, min_backoff=timedelta(seconds=10)),
        description="Tells people outside that an execution was given up.",
    )
    return Helper(notify, Declaration(spec))


def send_notice(document: Mapping[str, Any], targets: NoticeTargets) -> dict[str, Any]:
    """Send one execution's document to every target; return where it went.

    Raises:
        HelperHubError: A target didn't take it; the attempt will be repeated.
    """
    sent: dict[str, Any] = {}
    if targets.url:
        sent["url_status"] = _post(targets.url, document)
    if targets.mail_to:
        send_mail(build_mail(document, targets), targets)
        sent["mailed"] = list(targets.mail_to)
    return sent


def build_mail(document: Mapping[str, Any], targets: NoticeTargets) -> EmailMessage:
    """Return the mail about one execution."""
    error = document.get("error") or {}
    instance = f"/{document['instance']}" if document.get("instance") else ""
    helper = f"{document['helper']}{instance}"
    mail = EmailMessage()
    mail["From"] = targets.mail_from
    mail["To"] = ", ".join(_addresses(document, targets))
    mail["Subject"] = f"[HelperHub] {helper} failed".replace("\n", " ")
    mail.set_content(
        f"Helper:     {helper}\n"
        f"Execution:  {document['id']}\n"
        f"Reason:     {document.get('reason', '')}\n"
        f"Attempts:   {document.get('attempt')} of {document.get('max_attempts')}\n"
        f"Planned at: {document.get('planned_at') or '-'}\n"
        f"Error:      {error.get('type', '')}: {error.get('message', '')}\n\n"
        f"{error.get('traceback', '')}\n"
        f"See it:     helperhub dead show '{document['id']}'\n"
        f"Run again:  helperhub dead replay '{document['id']}'\n"
    )
    return mail


def _addresses(document: Mapping[str, Any], targets: NoticeTargets) -> list[str]:
    payload = document.get("payload")
    # A crontab's MAILTO is honoured for its own lines. Only what a schedule's own payload says counts:
    # whoever may enqueue must not choose who gets mail.
    scheduled = isinstance(payload, Mapping) and document.get("trigger") == Trigger.SCHEDULE
    own = payload.get("mailto") if isinstance(payload, Mapping) and scheduled else None
    return [part.strip() for part in str(own).split(",")] if own else list(targets.mail_to)


def _post(url: str, document: Mapping[str, Any]) -> int:
    if not url.startswith(("http://", "https://")):
        message = f"'{url}' is not an HTTP URL."
        raise HelperHubError(message, hint="Correct HELPERHUB_ON_FAILURE__URL.")
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
        url, data=orjson.dumps(document), headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            return int(response.status)
    except OSError as error:
        message = f"{url} didn't take the failure notice: {error}."
        raise HelperHubError(message) from error


def send_mail(mail: EmailMessage, targets: NoticeTargets) -> None:
    """Send ``mail`` through the server of ``targets``.

    Raises:
        HelperHubError: It didn't take the mail.
    """
    try:
        with _connect(targets) as smtp:
            if targets.smtp_user:
                smtp.login(targets.smtp_user, targets.smtp_password or "")
            smtp.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        message = f"{targets.smtp_host}:{targets.smtp_port} didn't take the mail: {error}."
        raise HelperHubError(message) from error


def _connect(targets: NoticeTargets) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if targets.smtp_security == "tls":
        return smtplib.SMTP_SSL(targets.smtp_host, targets.smtp_port, timeout=_TIMEOUT_S, context=context)
    smtp = smtplib.SMTP(targets.smtp_host, targets.smtp_port, timeout=_TIMEOUT_S)
    if targets.smtp_security == "starttls":
        smtp.starttls(context=context)
    return smtp
