from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tzlocal import get_localzone_name

from helperhub import Cron, Once, Overlap
from helperhub.testing import RegistrarForTests
from helperhub_crontab.plugin import helperhub_register

Write = Callable[..., Path]


def register(*, hub_zone: str = "UTC", **settings: str) -> RegistrarForTests:
    """Return what the plugin makes of these settings."""
    hub = RegistrarForTests("crontab", settings={"timezone": "Europe/Berlin", **settings}, timezone=hub_zone)
    helperhub_register(hub)
    return hub


def zone_of(hub: RegistrarForTests, key: str) -> str | None:
    schedule = hub.specs[key].schedules[""]
    assert isinstance(schedule, Cron)
    return schedule.tz


def test_every_line_becomes_an_instance_with_its_schedule_and_payload(crontab: Write) -> None:
    path = crontab("MAILTO=\nSHELL=/bin/bash\nHOME=/srv\n0 3 * * * /opt/backup.sh%yes\n@weekly tidy\n")

    hub = register(files=str(path))

    assert hub.problems == ()
    assert set(hub.specs) == {"crontab/backup-sh", "crontab/tidy"}
    backup = hub.specs["crontab/backup-sh"]
    assert backup.schedules[""] == Cron("0 3 * * *", tz="Europe/Berlin")
    assert backup.description == "/opt/backup.sh"
    assert backup.payload == {
        "command": "/opt/backup.sh",
        "stdin": "yes\n",
        "shell": "/bin/bash",
        "env": {"MAILTO": "", "SHELL": "/bin/bash", "HOME": "/srv"},
        "user": None,
        "cwd": "/srv",
        "source": f"{path}:4",
        "mailto": "",
    }


def test_policies_are_those_of_cron_unless_set(crontab: Write) -> None:
    hub = register(files=str(crontab("@daily a\n")))

    line = hub.specs["crontab/a"]
    assert (line.retry.max_attempts, line.overlap, line.enabled) == (1, Overlap.ALLOW, True)
    assert (line.time_limit, line.expires_after, line.queue) == (None, timedelta(hours=1), "default")


def test_policies_follow_the_settings(crontab: Write) -> None:
    hub = register(  # noqa: S604 - a setting of that name
        files=str(crontab("@daily a\n")),
        max_attempts="3",
        overlap="skip",
        time_limit="2h",
        expires_after="5m",
        queue="low",
        enabled="false",
        shell="/bin/dash",
    )

    line = hub.specs["crontab/a"]
    assert (line.retry.max_attempts, line.overlap, line.enabled) == (3, Overlap.SKIP, False)
    assert (line.time_limit, line.expires_after) == (timedelta(hours=2), timedelta(minutes=5))
    assert (line.queue, line.payload["shell"]) == ("low", "/bin/dash")


def test_zone_is_the_line_s_then_the_setting_s_then_the_machine_s(crontab: Write) -> None:
    path = crontab("@daily a\nCRON_TZ=Asia/Tokyo\n@daily b\n")

    hub = register(files=str(path), timezone="")

    local = get_localzone_name() or "UTC"
    assert zone_of(hub, "crontab/a") == local
    assert zone_of(hub, "crontab/b") == "Asia/Tokyo"


def test_hub_s_zone_is_taken_and_reported_when_the_machine_s_can_not_be_told(
    crontab: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        message = "two zones"
        raise ValueError(message)

    monkeypatch.setattr("helperhub_crontab.adopt.get_localzone_name", fail)

    hub = register(files=str(crontab("@daily a\n")), timezone="", hub_zone="Europe/Paris")

    assert zone_of(hub, "crontab/a") == "Europe/Paris"
    assert "two zones" in hub.problems[0]


def test_reboot_line_runs_once_a_start_at_a_moment_all_processes_agree_on(crontab: Write) -> None:
    hub = register(files=str(crontab("@reboot /opt/serve\n")))

    assert hub.specs["crontab/serve"].schedules[""] == Once(at=hub.started_at + timedelta(seconds=10))


def test_expression_that_cron_refuses_is_reported_with_its_line(crontab: Write) -> None:
    path = crontab("0 3 * * * good\n61 * * * * bad\n0 0 31 2 * never\nhello there my dear old friend\n")

    hub = register(files=str(path))

    assert set(hub.specs) == {"crontab/good"}
    assert [problem.partition(": ")[0] for problem in hub.problems] == [f"{path}:{n}" for n in (2, 3, 4)]
    assert "61" in hub.problems[0]


def test_line_for_another_user_is_adopted_by_root_and_reported_otherwise(crontab: Write) -> None:
    other = "nobody" if os.geteuid() == 0 else "root"
    path = crontab(f"@daily {other} theirs\n", "cron.d/jobs")

    hub = register(files=str(path))

    if os.geteuid() == 0:
        assert hub.specs["crontab/theirs"].payload["user"] == "nobody"
    else:
        assert hub.specs == {}
        assert "only root" in hub.problems[0]


def test_line_for_the_current_user_is_adopted_and_for_an_unknown_one_reported(crontab: Write) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    path = crontab(f"@daily {me} mine\n@daily no-such-user theirs\n", "cron.d/jobs")

    hub = register(files=str(path))

    assert set(hub.specs) == {"crontab/mine"}
    assert "no-such-user" in hub.problems[0]
    assert hub.problems[0].startswith(f"{path}:2: ")


def test_mailto_is_kept_and_reported_once_with_the_setting_that_replaces_it(crontab: Write) -> None:
    path = crontab("MAILTO=ops@example.org\n@daily a\n@daily b\n")

    hub = register(files=str(path))

    assert hub.specs["crontab/a"].payload["mailto"] == "ops@example.org"
    (problem,) = hub.problems
    assert "HELPERHUB_ON_FAILURE__MAIL_TO" in problem


def test_several_files_and_directories_are_adopted_together(crontab: Write) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    one, directory = crontab("@daily a\n"), crontab(f"@daily {me} b\n", "jobs/b").parent

    hub = register(files=f"{one}:{directory}:/does/not/exist")

    assert set(hub.specs) == {"crontab/a", "crontab/b"}
    assert len(hub.problems) == 1


def test_without_files_the_plugin_says_how_to_name_some() -> None:
    hub = register()

    assert hub.specs == {}
    assert "HELPERHUB_CRONTAB__FILES" in hub.problems[0]
