"""Rules for Redis users: complete, narrow, and as the scripts need them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helperhub.services.acl import COMMANDS, Role, UserRules, build_rules
from helperhub.store import keys as keys_module
from helperhub.store.scripts import PARTS

LUA = Path(str(keys_module.__file__)).parent / "lua"
#: What each role runs; parts come with each.
SCRIPTS = {
    Role.SCHEDULER: {"register", "plan", "due", "enqueue_due", "sweep", "trim", "reap", "publish", "rules", "mend"},
    Role.WORKER: {"join", "claim", "settle", "renew", "reap", "publish", "open_group", "report"},
    Role.WEB: {
        "publish",
        "cancel",
        "replay",
        "delete_dead",
        "purge",
        "register",
        "plan",
        "due",
        "mark_plan",
        "rewrite",
        "rules",
    },
}


def rules_of(role: Role, *, queues: tuple[str, ...] = ()) -> UserRules:
    return build_rules(role, "main", queues=queues)


def _without_forget(part: str) -> str:
    # What only ends the history, and no worker runs.
    return (LUA / "parts" / f"{part}.lua").read_text().partition("local function forget(")[0]


@pytest.mark.parametrize("role", SCRIPTS)
def test_role_may_call_what_its_scripts_call(role: Role) -> None:
    text = "".join(
        (LUA / f"{name}.lua").read_text() + "".join(_without_forget(part) for part in PARTS) for name in SCRIPTS[role]
    )
    called = {name.lower() for name in re.findall(r"redis\.p?call\('(\w+)'", text)}

    assert len(called) > 10
    assert called - set(COMMANDS[role].split()) == set()


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "command",
    ["flushall", "flushdb", "keys", "config", "acl", "shutdown", "debug", "migrate", "restore", "script"],
)
def test_no_role_may_do_what_none_needs(role: Role, command: str) -> None:
    assert not [rule for rule in rules_of(role).rules if rule.lstrip("+").partition("|")[0] == command]
    assert not [rule for rule in rules_of(role).rules if rule.startswith("+@")]


@pytest.mark.parametrize("role", set(Role) - {Role.BACKUP})
def test_only_backups_list_keys_for_that_shows_the_names_of_others(role: Role) -> None:
    assert "+scan" not in rules_of(role).rules


def test_backups_user_may_do_everything_to_the_hubs_keys_and_nothing_to_others() -> None:
    rules = rules_of(Role.BACKUP).rules

    assert [rule for rule in rules if "~" in rule] == ["~{helperhub:main:0}", "~{helperhub:main:0}:*"]


def test_read_only_user_has_no_key_to_write_and_no_command_that_writes() -> None:
    rules = rules_of(Role.READ_ONLY).rules

    assert [rule for rule in rules if "~" in rule] == ["%R~{helperhub:main:0}:*"]
    assert {"+set", "+eval", "+evalsha", "+hset", "+zadd", "+del"} & set(rules) == set()


def test_worker_of_some_queues_writes_the_keys_of_these_only() -> None:
    written = [rule for rule in rules_of(Role.WORKER, queues=("a", "b")).rules if rule.startswith("~")]

    assert "~{helperhub:main:0}:ready:a" in written
    assert "~{helperhub:main:0}:ended:b:[sf]" in written
    assert not [rule for rule in written if re.search(r":(ready|suspects|delayed|count|ended|idle):\*", rule)]


def test_rules_begin_anew_so_that_nothing_of_before_stays() -> None:
    assert rules_of(Role.WEB).rules[0] == "reset"
    assert rules_of(Role.WEB).command.startswith("ACL SETUSER helperhub-main-web reset on >PASSWORD ")


def test_every_kind_of_key_has_its_rules() -> None:
    kinds = set(re.findall(r"^\| P:([a-z]+)", keys_module.__doc__ or "", re.MULTILINE))
    written = {rule.partition("}:")[2].partition(":")[0] for rule in rules_of(Role.SCHEDULER).rules if "}:" in rule}

    # What the scheduler only reads is the worker's own, and the web's.
    assert kinds - written == {"draining", "progress", "log", "starts", "idempotency", "session", "views"}
