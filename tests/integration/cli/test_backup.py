"""``helperhub backup`` and ``restore`` as an operator uses them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.integration.cli.conftest import broken, tidy

from helperhub.cli.main import command
from helperhub.settings import load_settings
from helperhub.supervise.embedded import find_running
from helperhub.testing.running import build_hub


def call(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(command, arguments, input=text)


@pytest.fixture
def written(environ: dict[str, str], redis_url: str, hub_name: str, tmp_path: Path) -> Path:
    """A backup of the hub, which has two helpers and one open execution."""
    hub = build_hub((tidy, broken), url=redis_url, settings={"HELPERHUB_HUB": hub_name})
    hub.register()
    hub.enqueue("tidy", id="open")
    hub.close()
    assert call("backup", "a.backup").exit_code == 0
    return tmp_path / "a.backup"


def test_backup_says_what_is_in_it(written: Path, hub_name: str) -> None:
    result = call("backup", str(written), "--json")

    document = json.loads(result.output)
    assert (document["hub"], document["executions"], document["open"]) == (hub_name, 1, 1)
    assert document["bytes"] == written.stat().st_size
    assert (document["helpers"], document["helperhub_backup"]) == (2, 1)


def test_backup_is_verified_without_redis(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_REDIS_URL", "redis://127.0.0.1:1")

    whole = call("backup", "--verify", str(written))
    written.write_bytes(written.read_bytes()[:-9])
    damaged = call("backup", "--verify", str(written))

    assert (whole.exit_code, whole.output.splitlines()[0][:6]) == (0, "Whole:")
    assert damaged.exit_code == 1
    assert f"The backup {written} is damaged" in damaged.output


def test_hub_that_is_not_empty_is_replaced_only_when_told_to(written: Path) -> None:
    refused = call("restore", str(written))
    unasked = call("restore", str(written), "--replace")
    done = call("restore", str(written), "--replace", "--yes", "--json")

    assert (refused.exit_code, unasked.exit_code, done.exit_code) == (1, 2, 0)
    assert "isn't empty: it has 1 executions" in refused.output
    assert "Replacing 1 execution (0 dead letters) and 2 helpers needs a yes." in unasked.output
    assert json.loads(done.output)["deleted_keys"] > 3


def test_person_is_asked_and_may_say_no(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helperhub.cli.backup.is_terminal", lambda: True)

    said_no = call("restore", str(written), "--replace", text="n\n")
    said_yes = call("restore", str(written), "--replace", text="y\n")

    assert (said_no.exit_code, said_yes.exit_code) == (1, 0)
    assert "Nothing was changed." in said_no.output
    assert "Restored and checked" in said_yes.output


def test_embedded_hub_is_backed_up_and_restored_while_it_is_down(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HELPERHUB_REDIS_URL", "HELPERHUB_SIGNING__KEYS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HELPERHUB_SIGNING__ENABLED", "false")
    monkeypatch.setenv("HELPERHUB_DATA_DIR", str(tmp_path / "old"))
    assert call("backup", "empty").exit_code == 0
    assert find_running(tmp_path / "old") is None
    shutil.rmtree(tmp_path / "old")
    monkeypatch.setenv("HELPERHUB_DATA_DIR", str(tmp_path / "new"))

    result = call("restore", "empty")

    assert (result.exit_code, result.output[:21]) == (0, "Restored and checked:")
    assert find_running(tmp_path / "new") is None
    assert load_settings().settings.data_dir == tmp_path / "new"
