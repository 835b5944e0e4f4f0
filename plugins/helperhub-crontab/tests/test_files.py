from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from helperhub_crontab.files import CrontabFile, read_crontabs
from helperhub_crontab.parse import Problem
from helperhub_crontab.settings import Format

Write = Callable[..., Path]


def read(
    *paths: Path, file_format: Format = Format.AUTO, uid: int | None = None, spools: frozenset[Path] = frozenset()
) -> tuple[list[CrontabFile], list[Problem]]:
    found = list(read_crontabs(paths, file_format, uid=os.geteuid() if uid is None else uid, spools=spools))
    return [f for f in found if isinstance(f, CrontabFile)], [f for f in found if isinstance(f, Problem)]


def test_file_is_user_format_unless_it_lies_in_a_cron_d(crontab: Write) -> None:
    files, problems = read(crontab("x", "tab"), crontab("x", "cron.d/drop.in"))

    assert [file.system for file in files] == [False, True]
    assert problems == []


def test_directory_is_read_in_order_as_system_format_by_the_name_rules_of_run_parts(crontab: Write) -> None:
    for name in ("b_2", "A-1", "c.dpkg-old", "d~", ".placeholder", ".hidden"):
        directory = crontab("x", f"jobs/{name}").parent

    files, problems = read(directory)

    assert [(Path(file.path).name, file.system) for file in files] == [("A-1", True), ("b_2", True)]
    assert sorted(Path(problem.path).name for problem in problems) == [".hidden", "c.dpkg-old", "d~"]


def test_format_setting_wins(crontab: Write) -> None:
    files, _ = read(crontab("x"), file_format=Format.SYSTEM)

    assert files[0].system


def test_spool_directory_holds_user_crontabs_named_after_their_users(crontab: Write, tmp_path: Path) -> None:
    crontab("x", "crontabs/alice.b")

    files, problems = read(tmp_path / "crontabs", spools=frozenset({tmp_path / "crontabs"}))

    assert [(file.owner, file.system) for file in files] == [("alice.b", False)]
    assert problems == []


def test_file_named_twice_is_read_once_and_reported(crontab: Write) -> None:
    path = crontab("x")

    files, problems = read(path, path)

    assert len(files) == 1
    assert len(problems) == 1


def test_missing_files_directories_in_directories_and_pipes_are_reported(tmp_path: Path) -> None:
    (tmp_path / "dir" / "inner").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")

    files, problems = read(
        tmp_path / "missing", tmp_path / "dir", tmp_path / "pipe", Path("a\0b"), Path("~nobody-of-that-name/x")
    )

    assert files == []
    assert len(problems) == 5


def test_unreadable_file_is_reported(crontab: Write) -> None:
    path = crontab("x")
    path.chmod(0)

    files, problems = read(path)

    if os.geteuid() == 0:  # root reads everything
        assert len(files) == 1
    else:
        assert "Permission denied" in str(problems[0])


def test_huge_file_is_reported(crontab: Write) -> None:
    files, problems = read(crontab("@daily x\n" * 120_000))

    assert files == []
    assert "1048576" in str(problems[0])


@pytest.mark.parametrize("uid", [0, 1000])
def test_file_that_everybody_can_write_is_refused(crontab: Write, uid: int) -> None:
    path = crontab("x")
    path.chmod(0o646)

    assert "646" in str(read(path, uid=uid)[1][0])


@pytest.mark.parametrize(("uid", "refused"), [(0, True), (1000, False)], ids=["root", "others"])
def test_file_that_its_group_can_write_is_refused_by_root_only(crontab: Write, uid: int, *, refused: bool) -> None:
    path = crontab("x")
    path.chmod(0o664)

    problems = read(path, uid=uid)[1]

    assert bool(problems) == refused


def test_root_refuses_a_file_of_somebody_else(crontab: Write) -> None:
    path = crontab("x")
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)

    files, problems = read(path, uid=0)

    assert files == []
    assert "as root" in str(problems[0])
