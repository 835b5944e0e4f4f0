from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from helperhub.settings import Settings, list_settings, load_settings
from helperhub.settings.listing import write_example

EXAMPLE = Path(__file__).parents[3] / "settings.env.example"


def test_example_file_lists_every_setting_as_the_code_has_it() -> None:
    assert EXAMPLE.read_text() == write_example(), "run: python -m helperhub.settings > settings.env.example"


def test_example_file_is_what_the_module_prints() -> None:
    printed = subprocess.run([sys.executable, "-m", "helperhub.settings"], capture_output=True, text=True, check=True)

    assert printed.stdout == write_example()


def test_example_file_with_every_line_taken_in_changes_nothing(tmp_path: Path) -> None:
    taken_in = tmp_path / "settings.env"
    taken_in.write_text(write_example().replace("# HELPERHUB_", "HELPERHUB_"))

    loaded = load_settings([taken_in], {}, plugin_sections=())

    assert loaded.settings == Settings()
    assert len(loaded.sources) > 30


def test_every_setting_in_the_example_file_says_what_it_means() -> None:
    for block in write_example().split("\n\n"):
        assert len(block.splitlines()) >= 2 or block.startswith("# ---- ")


def test_setting_is_listed_with_value_and_source(tmp_path: Path) -> None:
    file = tmp_path / "a.env"
    file.write_text('HELPERHUB_WORKER__LEASE=45s\nHELPERHUB_LOG={"level": "debug"}\n')
    variables = {"WORKER_COUNT": "3", "HELPERHUB_QUEUES__REPORTS__MAX_DEPTH": "5"}

    rows = {row.variable: (row.value, row.source) for row in list_settings(load_settings([file], variables))}

    assert rows["HELPERHUB_HUB"] == ("main", "default")
    assert rows["HELPERHUB_WORKER__LEASE"] == ("45s", f"{file}:1")
    assert rows["HELPERHUB_LOG__LEVEL"] == ("debug", f"{file}:2 (HELPERHUB_LOG)")
    assert rows["HELPERHUB_LOG__FORMAT"] == ("auto", "default")
    assert rows["HELPERHUB_WORKER__PROCESSES"] == ("3", "process environment (WORKER_COUNT)")
    assert rows["HELPERHUB_QUEUES__REPORTS__MAX_DEPTH"] == ("5", "process environment")
    assert rows["HELPERHUB_QUEUES__REPORTS__TIME_LIMIT"] == ("", "default")


def test_listed_secrets_and_logins_are_masked() -> None:
    variables = {
        "REDIS_URL": "redis://:s3cret@localhost",
        "HELPERHUB_ON_FAILURE__SMTP_PASSWORD": "s3cret",
        "HELPERHUB_ON_FAILURE__URL": "https://user:s3cret@example.org/hook",
        "SENTRY_DSN": "https://s3cret@example.org/1",
    }

    rows = {row.variable: row.value for row in list_settings(load_settings([], variables))}

    assert rows["HELPERHUB_REDIS_URL"] == "***"
    assert rows["HELPERHUB_ON_FAILURE__URL"] == "https://***@example.org/hook"
    assert "s3cret" not in "".join(rows.values())
