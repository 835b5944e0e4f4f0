"""Alerts arrive by mail and HTTP; what can't be sent says why, without what is secret."""

from __future__ import annotations

import json
import logging
import socket
from importlib.metadata import entry_points
from typing import Any

import pytest

from helperhub import Notifier
from helperhub.errors import ConfigurationError
from helperhub.testing import MailSink, RegistrarForTests
from helperhub_notify import plugin
from helperhub_notify.target import NotSent

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/ops"


def register(**settings: str) -> tuple[list[Notifier], RegistrarForTests]:
    hub = RegistrarForTests("notify", settings=settings)
    return plugin.helperhub_notifiers(hub), hub


def build_event(kind: str = "firing", severity: str = "warning") -> dict[str, Any]:
    title = f"[HelperHub main] {kind}: queue_depth: queue:default"
    text = "140 executions wait in queue 'default': above 100.\n\nSee them: helperhub alerts list"
    return {
        "type": f"alert.{kind}",
        "timestamp": "2026-11-28T08:30:00Z",
        "data": {"id": "n1", "severity": severity, "title": title, "text": text, "alerts": []},
    }


def test_entry_point_leads_to_the_hook() -> None:
    (entry,) = entry_points(group="helperhub", name="notify")

    assert entry.load().helperhub_notifiers is plugin.helperhub_notifiers


def test_mail_arrives_with_title_and_text(mail_sink: MailSink) -> None:
    (notifier,), _ = register(targets=mail_sink.url)

    answer = notifier.send(build_event())

    (mail,) = mail_sink.mails
    assert answer == {"sent": notifier.name}
    assert mail["Subject"] == "[HelperHub main] firing: queue_depth: queue:default"
    assert "ops@example.org" in mail["To"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert "140 executions wait in queue 'default': above 100." in body.get_content()


def test_web_service_gets_it_with_its_kind(web_sink: Any) -> None:
    (notifier,), _ = register(targets=f"json://127.0.0.1:{web_sink.port}/hook")

    for event in (build_event(), build_event("resolved"), build_event(severity="critical"), build_event("test")):
        notifier.send(event)

    assert [json.loads(body)["type"] for body in web_sink.bodies] == ["warning", "success", "failure", "info"]


def test_targets_are_read_from_a_list_too_and_each_is_told_once(mail_sink: MailSink) -> None:
    both = json.dumps([mail_sink.url, SLACK, SLACK])
    notifiers, hub = register(targets=both, escalate_to=f"{SLACK} json://127.0.0.1:1/second")

    assert [(one.name.partition("-")[0], one.second) for one in notifiers] == [
        ("notify:mailto", False),
        ("notify:slack", False),
        ("notify:json", True),
    ]
    assert hub.problems == ()
    # In every process alike: the scheduler says it, and a worker looks it up.
    assert [one.name for one in register(targets=both)[0]] == [one.name for one in notifiers[:2]]


def test_url_that_apprise_cannot_use_is_reported_without_its_secrets_and_the_others_are_told() -> None:
    notifiers, hub = register(targets=f"nosuch://hunter2@example.org {SLACK}")

    assert len(notifiers) == 1
    (problem,) = hub.problems
    assert "URL 1 of HELPERHUB_NOTIFY__TARGETS (nosuch://...)" in problem
    assert "hunter2" not in problem


def test_json_that_breaks_off_is_refused_without_its_text() -> None:
    with pytest.raises(ConfigurationError) as caught:
        register(targets='["slack://hunter2')

    assert "HELPERHUB_NOTIFY__TARGETS" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_server_that_is_away_says_why_without_what_is_secret(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (notifier,), _ = register(targets=f"json://person:hunter2secret@127.0.0.1:{port}/token4711")
    caplog.set_level(logging.DEBUG)

    with pytest.raises(NotSent) as caught:
        notifier.send(build_event())

    everything = str(caught.value) + caplog.text + repr(notifier)
    assert notifier.name in str(caught.value)
    assert "onnection error" in str(caught.value)
    assert "hunter2secret" not in everything
    assert "token4711" not in everything


def test_mail_that_is_refused_is_an_error(mail_sink: MailSink) -> None:
    (notifier,), _ = register(targets=mail_sink.url)
    mail_sink.refusing = True

    with pytest.raises(NotSent):
        notifier.send(build_event())

    assert mail_sink.mails == []
