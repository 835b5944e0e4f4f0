"""``helperhub keys`` and ``helperhub audit`` against a real server."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable
from typing import Any

from click.testing import Result

from helperhub import Hub
from helperhub.model.access import Scope

Call = Callable[..., Result]
Answer = Callable[..., Any]


def test_key_is_printed_alone_on_stdout_and_may_what_was_said(call: Call, hub: Hub) -> None:
    made = call("keys", "create", "build server", "--scope", "run", "--helper", "tidy", "--expires-in", "1d")

    assert made.exit_code == 0
    holder = hub.api_keys.check(made.stdout.strip())
    assert (set(holder.scopes), set(holder.helpers), holder.note) == ({Scope.RUN}, {"tidy"}, "build server")
    assert "nobody can see it again" in made.stderr


def test_key_without_a_scope_is_refused(call: Call) -> None:
    assert call("keys", "create", "laptop").exit_code == 2
    assert call("keys", "create", "laptop", "--scope", "everything").exit_code == 2
    assert call("keys", "create", "", "--scope", "read").exit_code == 2


def test_keys_list_shows_all_without_a_secret(call: Call, answer: Answer) -> None:
    text = answer("keys", "create", "laptop", "--scope", "read", "--no-expiry")["key"]

    listed = call("keys", "list")

    assert listed.stdout.splitlines()[0].split() == ["ID", "NAME", "MAY", "ONLY", "EXPIRES", "USED"]
    assert "laptop" in listed.stdout
    assert text.rpartition("_")[2] not in listed.stdout


def test_rotate_and_revoke(call: Call, answer: Answer) -> None:
    old = answer("keys", "create", "laptop", "--scope", "read")
    new = answer("keys", "rotate", old["id"], "--overlap", "1h")

    assert new["id"] != old["id"]
    assert answer("keys", "revoke", old["id"]) == {"id": old["id"], "revoked": True}
    assert [key["id"] for key in answer("keys", "list")["keys"]] == [new["id"]]
    assert call("keys", "revoke", old["id"]).exit_code == 3


def test_what_a_person_does_is_in_the_audit_under_his_name(call: Call, answer: Answer) -> None:
    call("helpers", "disable", "tidy", "--reason", "maintenance")
    started = answer("helpers", "run", "tidy")

    entries = answer("audit", "list", "--limit", "2")["entries"]

    assert [(entry["action"], entry["target"]) for entry in entries] == [
        ("helper.run", "tidy"),
        ("helper.disable", "tidy"),
    ]
    assert {entry["who"] for entry in entries} == {f"person:{getpass.getuser()}@{socket.gethostname()}"}
    assert entries[0]["after"] == {"execution": started["id"]}
    assert entries[1]["reason"] == "maintenance"
    assert (entries[1]["before"], entries[1]["after"]["enabled"]) == (None, False)


def test_audit_is_filtered_and_exported_a_document_a_line(call: Call, answer: Answer) -> None:
    for _ in range(2):
        call("helpers", "disable", "tidy")
        call("helpers", "enable", "tidy")
    call("keys", "create", "laptop", "--scope", "read")

    found = answer("audit", "list", "--action", "helper.", "--target", "tidy")["entries"]
    exported = [json.loads(line) for line in call("audit", "export").stdout.splitlines()]

    assert [entry["action"] for entry in found] == ["helper.enable", "helper.disable"] * 2
    assert [entry["action"] for entry in exported] == ["key.create", *(entry["action"] for entry in found)]
    assert answer("audit", "list", "--since", "1h", "--until", "30m")["entries"] == []


def test_audit_has_no_secret_of_a_key(call: Call, answer: Answer) -> None:
    text = answer("keys", "create", "laptop", "--scope", "read")["key"]

    exported = call("audit", "export").stdout

    assert '"laptop"' in exported
    assert text.rpartition("_")[2] not in exported
