"""Reports on demand: the week, as figures, page or text; by mail or into a chat."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from email.message import EmailMessage
from urllib.parse import urlsplit

import orjson

from helperhub.errors import ConfigurationError, HelperHubError
from helperhub.schedules.weeks import Week
from helperhub.services.failure_notice import NoticeTargets, send_mail
from helperhub.services.report_page import write_html
from helperhub.services.report_words import dates_of, gist_of, headlines, subject_of, title_of, write_text
from helperhub.services.statistics import Statistics
from helperhub.services.weekly_report import WeeklyReport, read_weekly

_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Reports:
    """Makes and sends reports.

    Args:
        hub: Whose.
        timezone: Zone of weeks for which none is named.
        statistics: Reads the archive, and knows the time.
        mail: The server that mail goes through, and its sender.
    """

    hub: str
    timezone: str
    statistics: Statistics
    mail: NoticeTargets

    def weekly(self, week: str | None = None, *, timezone: str | None = None) -> WeeklyReport:
        """Return the report on a week.

        Args:
            week: Such as ``2026-W47``; None for the last one that is over.
            timezone: IANA name; None for the hub's.

        Raises:
            UsageError: There is no such week or zone.
            NotFound: There is no archive.
            ArchiveError: It can't be read.
        """
        zone = self.timezone if timezone is None else timezone
        now = self.statistics.now()
        wanted = Week.last_before(now, zone) if week is None else Week.parse(week, zone)
        with self.statistics.reading() as reader:
            return read_weekly(reader, wanted, self.hub)

    def html(self, report: WeeklyReport) -> str:
        """Return the report as a page."""
        return write_html(report)

    def text(self, report: WeeklyReport) -> str:
        """Return the report as plain text."""
        return write_text(report)

    def deliver(
        self, report: WeeklyReport, *, mail_to: Sequence[str] = (), chat_url: str | None = None, page_url: str = ""
    ) -> dict[str, list[str]]:
        """Send the report; return whither it went (``sent``), and what couldn't be reached, and why (``failed``).

        Args:
            report: What to send.
            mail_to: Addresses that get a mail.
            chat_url: A chat's webhook, which gets a POST with ``{"text": ...}``.
            page_url: Where the report can be seen, for the chat.

        Raises:
            HelperHubError: Nothing took it. If one did, it isn't sent again because another didn't.
        """
        ways: list[tuple[str, Callable[[], None]]] = []
        if mail_to:
            targets = replace(self.mail, mail_to=tuple(mail_to))
            ways.append((", ".join(mail_to), lambda: send_mail(build_report_mail(report, targets), targets)))
        if chat_url:
            text = chat_text(report, page_url)
            ways.append((f"chat at {urlsplit(chat_url).hostname}", lambda: _post_text(chat_url, text)))
        sent, failed, errors = [], [], []
        for name, send in ways:
            try:
                send()
            except HelperHubError as error:
                failed.append(f"{name}: {error}")
                errors.append(error)
            else:
                sent.append(name)
        if errors and not sent:
            raise errors[0]
        return {"sent": sent, "failed": failed}


def build_report_mail(report: WeeklyReport, targets: NoticeTargets) -> EmailMessage:
    """Return the report as a mail: text, and the same as HTML."""
    mail = EmailMessage()
    mail["From"] = targets.mail_from
    mail["To"] = ", ".join(targets.mail_to)
    mail["Subject"] = subject_of(report)
    mail.set_content(write_text(report))
    mail.add_alternative(write_html(report, mail=True), subtype="html", cte="quoted-printable")
    return mail


def chat_text(report: WeeklyReport, page_url: str = "") -> str:
    """Return the report in a few lines, for a chat."""
    lines = [f"{title_of(report)} ({dates_of(report)}), hub {report.hub}: {gist_of(report)}."]
    if report.now["executions"]:
        lines += [f"{name}: {value}{f' ({change})' if change else ''}" for name, value, change, _ in headlines(report)]
        worst = [f"{row['helper']} ({row['error'] + row['expired']})" for row in report.tables["failing"]]
        lines += [f"Most failures: {', '.join(worst)}"] if worst else []
    return "\n".join([*lines, *([page_url] if page_url else [])])


def _post_text(url: str, text: str) -> None:
    """Post ``text`` to a chat's webhook.

    Raises:
        ConfigurationError: ``url`` isn't one of HTTP.
        HelperHubError: The chat didn't take it. Messages name the host only: the rest of such a URL is a secret.
    """
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        message = "The chat's URL is not an HTTP URL."
        raise ConfigurationError(message)
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, orjson.dumps({"text": text}), headers, method="POST")  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310 - as above
            pass
    except urllib.error.HTTPError as error:
        message = f"The chat at {place.hostname} didn't take the report: HTTP {error.code}."
        error.close()
        raise HelperHubError(message) from None
    except OSError as error:
        message = f"The chat at {place.hostname} didn't take the report: {error}."
        raise HelperHubError(message) from None


__all__ = ["Reports", "build_report_mail", "chat_text"]
