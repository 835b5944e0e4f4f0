"""The weekly report: its figures on SQLite and PostgreSQL, its page, its text, and its ways to people."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from pytest_httpserver import HTTPServer
from tests.integration.statistics.conftest import NOW, Fill, ended

from helperhub.archive.database import Database
from helperhub.archive.pruning import Pruner
from helperhub.archive.rows import Ended
from helperhub.errors import HelperHubError, UsageError
from helperhub.model.execution import Status
from helperhub.model.instant import epoch_ms
from helperhub.services.failure_notice import NoticeTargets
from helperhub.services.report_page import write_html
from helperhub.services.report_words import show_change, show_ms, show_share, write_text
from helperhub.services.reports import Reports
from helperhub.services.statistics import Statistics
from helperhub.services.weekly_report import WeeklyReport
from helperhub.testing import MailSink

BERLIN = "Europe/Berlin"
SVG = "{http://www.w3.org/2000/svg}"
EVIL = "a<script>alert(1)</script>"


@pytest.fixture
def reports(statistics: Statistics) -> Reports:
    """Reports of that archive."""
    return build_reports(statistics)


def build_reports(statistics: Statistics, sink: MailSink | None = None) -> Reports:
    port = sink.port if sink else 1
    targets = NoticeTargets(mail_from="hub@example.org", smtp_host="127.0.0.1", smtp_port=port)
    return Reports("main", BERLIN, statistics, targets)


def each_hour(since: datetime, until: datetime) -> Sequence[Ended]:
    hours = (until - since) // timedelta(hours=1)
    return [ended(since + timedelta(hours=i, minutes=1)) for i in range(hours)]


def test_report_is_on_the_last_week_that_is_over(reports: Reports, fill: Fill) -> None:
    monday = datetime(2026, 11, 15, 23, tzinfo=UTC)  # midnight in Berlin
    minute = timedelta(minutes=1)
    fill([ended(monday - minute), ended(monday), ended(monday + timedelta(days=7) - minute)])
    fill([ended(monday + timedelta(days=7))])

    report = reports.weekly()

    assert report.week.name == "2026-W47"
    assert (report.now["executions"], report.before["executions"]) == (2, 1)
    assert [day["executions"] for day in report.days] == [1, 0, 0, 0, 0, 0, 1]
    assert [day["before"] for day in report.days] == [0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(("week", "sunday"), [("2026-W13", 23), ("2026-W43", 25)])
def test_weeks_in_which_clocks_change_have_all_their_hours(
    reports: Reports, fill: Fill, week: str, sunday: int
) -> None:
    empty = reports.weekly(week).week
    fill(each_hour(empty.previous().day_start(0), empty.day_start(7) + timedelta(days=1)))

    report = reports.weekly(week)

    assert [day["executions"] for day in report.days] == [24, 24, 24, 24, 24, 24, sunday]
    assert report.now["executions"] == 6 * 24 + sunday
    assert report.before["executions"] == 7 * 24
    # The hour that came twice counts twice, the one that didn't come not at all.
    assert report.counts[6][2] == {23: 0, 25: 2}[sunday]


def test_worst_helpers_are_named_with_their_figures(reports: Reports, fill: Fill) -> None:
    at = datetime(2026, 11, 18, 12, tzinfo=UTC)
    fill([ended(at, "broken", Status.ERROR, ran_ms=50) for _ in range(6)] + [ended(at, "rare", ran_ms=90_000)])
    fill([ended(at, "slow", ran_ms=4000) for _ in range(5)] + [ended(at, "flaky", attempt=2) for _ in range(5)])

    document = reports.weekly().to_document()

    assert [row["helper"] for row in document["failing"]] == ["broken"]
    assert [row["helper"] for row in document["slowest"]] == ["slow", "flaky", "broken"]
    assert [row["helper"] for row in document["flakiest"]] == ["broken", "flaky"]
    assert [row["helper"] for row in document["costliest"]][:2] == ["rare", "slow"]
    assert document["busiest"] == [{"weekday": "wednesday", "hour": 13, "executions": 17}]


def test_what_helpers_report_is_summed_beside_the_week_before(reports: Reports, fill: Fill) -> None:
    at = datetime(2026, 11, 18, 12, tzinfo=UTC)
    fill([ended(at, "invoices/de", result={"totals": {"saved": 12.5, "files": 3}}) for _ in range(2)])
    fill([ended(at - timedelta(days=7), "invoices/fr", result={"totals": {"saved": 5}})])

    assert reports.weekly().totals == [
        {"helper": "invoices", "name": "files", "now": 6, "before": 0},
        {"helper": "invoices", "name": "saved", "now": 25.0, "before": 5},
    ]


def test_empty_week_is_said_to_be_empty(reports: Reports, fill: Fill) -> None:
    fill([ended(NOW)])

    report = reports.weekly("2026-W30")

    assert report.now["executions"] == 0
    assert "Nothing ended in this week." in write_text(report)
    assert "Nothing ended in this week." in write_html(report)
    assert [day["executions"] for day in report.days] == [0] * 7


def test_week_whose_hours_are_gone_is_one_of_utc_days(reports: Reports, fill: Fill, database: Database) -> None:
    fill(each_hour(datetime(2026, 7, 12, tzinfo=UTC), datetime(2026, 7, 28, tzinfo=UTC)))
    fill([ended(NOW)])
    whole = reports.weekly("2026-W30")
    Pruner(database, rest=lambda _: None).remove_hours(epoch_ms(NOW - timedelta(days=90)))

    report = reports.weekly("2026-W30")

    assert (whole.day_zone, report.day_zone) == (BERLIN, "UTC")
    assert [day["executions"] for day in report.days] == [24] * 7
    assert report.counts == []
    assert "Days are those of UTC" in write_text(report)


@pytest.fixture
def full(reports: Reports, fill: Fill) -> WeeklyReport:
    """A report on a week in which all sorts of things happened."""
    at = datetime(2026, 11, 18, 12, tzinfo=UTC)
    fill([ended(at, EVIL, Status.ERROR, queue="low") for _ in range(6)])
    fill([ended(at, "sync", attempt=2, ran_ms=1500, result={"totals": {"R&D": 7}}) for _ in range(30)])
    fill([ended(at - timedelta(days=7)) for _ in range(3)])
    return reports.weekly()


class Reader(HTMLParser):
    """Reads a page, and sees to it that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("mail", [True, False])
def test_page_is_whole_fetches_nothing_and_runs_nothing(full: WeeklyReport, mail: bool) -> None:
    page = write_html(full, mail=mail)

    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.seen & {"script", "img", "link", "iframe", "style", "object", "form"} == set()
    assert {name for name in reader.attributes if name.startswith("on") or name in ("src", "href")} == set()
    assert ("svg" in reader.seen) is not mail
    assert EVIL in reader.text
    assert "<script" not in page
    assert "R&D" in reader.text
    assert "Week 47 of 2026" in reader.text
    # Gmail cuts what is longer than 102 KB.
    assert len(page) < 100_000


def test_charts_are_well_formed_and_say_in_words_what_they_show(full: WeeklyReport) -> None:
    charts = re.findall(r"<svg.*?</svg>", write_html(full))

    drawn = [ET.fromstring(chart) for chart in charts]  # noqa: S314 - ours
    titles = [chart.findtext(f"{SVG}title") for chart in drawn]
    assert titles[0] is not None
    assert titles[0].startswith(
        "Executions by day: Mon 0 of which 0 failed, Tue 0 of which 0 failed, Wed 36 of which 6"
    )
    assert titles[1] == "Executions by hour of the week"
    heights = [float(rect.get("height", "")) for chart in drawn for rect in chart.iter(f"{SVG}rect")]
    assert min(heights) > 0


def test_text_says_what_the_page_says(full: WeeklyReport) -> None:
    text = write_text(full)

    assert re.search(r"^Executions +36 +12.0 times as much$", text, re.MULTILINE)
    assert re.search(r"^Complete +83.3 % +-16.7 points$", text, re.MULTILINE)
    assert re.search(r"^sync: R&D +210 +0$", text, re.MULTILINE)
    assert re.search(r"^a<script>\S+ +6 +6 +0.0 %$", text, re.MULTILINE)


def test_mail_arrives_with_text_and_page(full: WeeklyReport, statistics: Statistics) -> None:
    with MailSink() as sink:
        told = build_reports(statistics, sink).deliver(full, mail_to=["ada@example.org", "bob@example.org"])

    assert told == {"sent": ["ada@example.org, bob@example.org"], "failed": []}
    (mail,) = sink.mails
    assert mail["Subject"] == "[HelperHub] main, 2026-W47: 36 executions, 83.3 % complete"
    assert (mail["From"], mail["To"]) == ("hub@example.org", "ada@example.org, bob@example.org")
    assert mail.get_content_type() == "multipart/alternative"
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert page is not None
    assert text.get_content().splitlines() == write_text(full).splitlines()
    assert page.get_content().strip() == write_html(full, mail=True).strip()
    assert max(map(len, mail.as_bytes().splitlines())) <= 998  # RFC 5322, 2.1.1


def test_chat_gets_a_few_lines(full: WeeklyReport, reports: Reports, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hooks/secret", method="POST").respond_with_data("ok")

    told = reports.deliver(full, chat_url=httpserver.url_for("/hooks/secret"), page_url="https://hub.example/w")

    assert told["sent"] == ["chat at localhost"]
    text = json.loads(httpserver.log[0][0].data)["text"]
    assert text.startswith("Week 47 of 2026 (16 to 22 November 2026), hub main: 36 executions, 83.3 % complete")
    assert text.endswith("https://hub.example/w")
    assert len(text.splitlines()) < 15


def test_report_isnt_mailed_again_because_the_chat_was_away(
    full: WeeklyReport, statistics: Statistics, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hooks/secret").respond_with_data("no", status=500)

    with MailSink() as sink:
        told = build_reports(statistics, sink).deliver(
            full, mail_to=["ada@example.org"], chat_url=httpserver.url_for("/hooks/secret")
        )

    assert told["sent"] == ["ada@example.org"]
    assert told["failed"] == ["chat at localhost: The chat at localhost didn't take the report: HTTP 500."]


def test_report_that_nobody_took_is_an_error_that_keeps_the_chats_secret(full: WeeklyReport, reports: Reports) -> None:
    with pytest.raises(HelperHubError, match=r"127\.0\.0\.1:1 didn't take the mail"):
        reports.deliver(full, mail_to=["ada@example.org"])
    with pytest.raises(HelperHubError, match=r"didn't take the report") as caught:
        reports.deliver(full, chat_url="http://127.0.0.1:1/hooks/secret")
    assert "secret" not in str(caught.value)


def test_server_that_refuses_a_mail_is_an_error(full: WeeklyReport, statistics: Statistics) -> None:
    with MailSink(refusing=True) as sink, pytest.raises(HelperHubError, match="550"):
        build_reports(statistics, sink).deliver(full, mail_to=["ada@example.org"])


def test_what_is_no_week_or_zone_is_refused(reports: Reports) -> None:
    with pytest.raises(UsageError, match="2026-W47"):
        reports.weekly("last")
    with pytest.raises(UsageError, match="Europe/Berlin"):
        reports.weekly("2026-W47", timezone="Berlin")
    with pytest.raises(UsageError, match="Europe/Berlin"):
        reports.weekly(timezone="Berlin")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (show_share(0.99996), "99.99 %"),
        (show_share(1.0), "100 %"),
        (show_share(0.5), "50.0 %"),
        (show_share(None), "-"),
        (show_ms(340), "340 ms"),
        (show_ms(90_000), "90.0 s"),
        (show_ms(9_000_000), "2.5 h"),
        (show_change(0.0001), "as before"),
        (show_change(-0.25), "-25 %"),
        (show_change(4.5), "5.5 times as much"),
        (show_change(0.004, points=True), "+0.4 points"),
        (show_change(None), ""),
    ],
)
def test_figures_are_shown_as_people_read_them(shown: str, text: str) -> None:
    assert shown == text
