"""Changing a helper at run time, looked at before it is saved, and dropping what was changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from helperhub.api.access import Caller, of_session
from helperhub.api.answers import etag_of
from helperhub.api.bodies import read_duration, read_schedules
from helperhub.api.named import Name, check_sees
from helperhub.errors import HelperHubError, Outdated, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.model.duration import format_duration
from helperhub.schedules.notation import schedule_to_dict
from helperhub.services.helpers import HelperUpdate
from helperhub.services.strict_json import read_json
from helperhub.store.catalogue import CatalogueRow
from helperhub.trust.redaction import redact_fields
from helperhub.web.forms import Form
from helperhub.web.notice import done, lead_to
from helperhub.web.render import Pages

#: A schedule's name before it.
_NAMED = re.compile(r"([A-Za-z0-9._-]{1,80}):\s+(\S.*)")
_FIELDS = ("schedules", "priority", "expires_after", "payload")
_MOST_REASON = 500


def add_editing(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    """Add what the page of a helper sends its forms to."""

    @routes.post("/-/save/{name:path}", **of_session(Scope.MANAGE))
    def save(request: Request, caller: Caller, name: Name, form: Form) -> Response:
        check_sees(hub, caller, name)
        row = hub.helpers.row(name)

        def check(document: dict[str, Any]) -> None:
            if tag_of(document) != form.get("seen", ""):
                message = f"'{name}' was changed since you opened this page."
                raise Outdated(message, hint="Load the page again, and look at what changed.")

        try:
            update = read_update(row, form)
            if update is None:
                message = "There is nothing to save: all is as it was."
                raise UsageError(message)
            made = hub.helpers.update(name, update, reason=form.get("reason", "")[:_MOST_REASON], check=check)
        except HelperHubError as error:
            edit = editor_of(row, hub.helpers.show(name)) | {key: form[key] for key in _FIELDS if key in form}
            edit |= {"problem": error, "seen": form.get("seen", ""), "reason": form.get("reason", "")}
            return pages.part(request, "helper_edit.html", one=hub.helpers.show(name), edit=edit)
        document = hub.helpers.show(name)
        shown = editor_of(hub.helpers.row(name), document)
        edited = pages.part(request, "helper_edit.html", one=document, edit=shown)
        text = f"{name} is changed: {made.removed} due times taken out of the plan, {made.planned} planned."
        return done(text if made.removed or made.planned else f"{name} is changed.", shown=edited)

    @routes.post("/-/reset/{name:path}", **of_session(Scope.MANAGE))
    def reset(request: Request, caller: Caller, name: Name) -> Response:
        check_sees(hub, caller, name)
        is_declared = hub.helpers.row(name).declared is not None
        hub.helpers.reset(name)
        if not is_declared:
            return lead_to(request, "helpers", text=f"{name} and its due times are removed.")
        return done(f"{name} is as its author declared it.", also="declared")


def add_preview(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    """Add what the editor asks while somebody types."""

    @routes.post("/-/preview/{name:path}", **of_session(Scope.MANAGE))
    def preview(request: Request, caller: Caller, name: Name, form: Form) -> Response:
        check_sees(hub, caller, name)
        row = hub.helpers.row(name)
        try:
            update = read_update(row, form)
            found = hub.helpers.preview(name, update) if update is not None else None
        except UsageError as error:
            return pages.part(request, "helper_preview.html", found=None, problem=error)
        return pages.part(request, "helper_preview.html", found=found, problem=None)


def editor_of(row: CatalogueRow, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the editor of a helper begins with."""
    spec = row.spec
    hides = redact_fields(spec.payload, spec.secret_fields) != spec.payload
    return {
        "schedules": "\n".join(write_schedule(name, one) for name, one in document["schedules"].items()),
        "priority": str(spec.priority),
        "expires_after": format_duration(spec.expires_after) if spec.expires_after else "",
        "payload": None if hides else write_payload(spec.payload),
        "hides": hides,
        "seen": tag_of(document),
        "reason": "",
        "problem": None,
    }


def tag_of(document: Mapping[str, Any]) -> str:
    """Return what changes when the helper is changed, as the ``ETag`` of the API."""
    # The next due time changes by itself.
    return etag_of({key: value for key, value in document.items() if key != "next_due_at"})


def write_schedule(name: str, schedule: Mapping[str, Any]) -> str:
    """Return a schedule's dict as a line of the editor, which `read_lines` reads back."""
    options = "".join(f" {key}={schedule[key]}" for key in ("tz", "jitter") if schedule.get(key))
    match schedule["type"]:
        case "daily":
            text = f"daily {schedule['time']}{options}"
        case "cron":
            text = f"cron {schedule['cron']}{options}"
        case "once":
            text = f"once {schedule['at']}"
        case _ if schedule.get("start"):
            text = orjson.dumps(dict(schedule)).decode()
        case _:
            text = f"every {schedule['interval']}{options}"
    return f"{name}: {text}" if name else text


def read_lines(text: str) -> dict[str, str | dict[str, Any]]:
    """Return the schedules that are written one to a line, by name.

    Raises:
        UsageError: A name is there twice, or a line in braces isn't JSON.
    """
    found: dict[str, str | dict[str, Any]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        named = _NAMED.fullmatch(line)
        name, rest = (named[1], named[2]) if named else ("", line)
        if name in found:
            message = f"There are two schedules named '{name}'." if name else "Two schedules have no name."
            raise UsageError(message, hint="Write 'name: daily 07:30', one a line.")
        found[name] = _read_object(rest) if rest.startswith("{") else rest
    return found


def read_update(row: CatalogueRow, form: Mapping[str, str]) -> HelperUpdate | None:
    """Return what a form changes of a helper; None if nothing.

    Raises:
        UsageError: Something can't be understood.
    """
    spec = row.spec
    update = HelperUpdate()
    schedules, _ = read_schedules(read_lines(form.get("schedules", "")))
    before = {name: schedule_to_dict(one) for name, one in spec.schedules.items()}
    if {name: schedule_to_dict(one) for name, one in schedules.items()} != before:
        update = replace(update, schedules=schedules)
    if form.get("priority", str(spec.priority)) != str(spec.priority):
        update = replace(update, priority=read_priority(form["priority"]))
    expires_after = _read_expiry(form.get("expires_after", "").strip(), spec.expires_after)
    if expires_after is not None and expires_after != spec.expires_after:
        update = replace(update, expires_after=expires_after)
    if "payload" in form and (payload := read_payload(form["payload"])) != spec.payload:
        update = replace(update, payload=payload, has_payload=True)
    return None if update == HelperUpdate() else update


def read_payload(text: str) -> Any:
    """Return a payload that was typed; nothing is null.

    Raises:
        UsageError: It isn't JSON.
    """
    if not text.strip():
        return None
    try:
        return read_json(text.encode())
    except json.JSONDecodeError as error:
        message = f"The payload isn't JSON: {error}."
        raise UsageError(message, hint='Texts stand in double quotes, such as {"city": "Berlin"}.') from error


def _read_object(text: str) -> dict[str, Any]:
    try:
        found = read_json(text.encode())
    except json.JSONDecodeError as error:
        message = f"A schedule in braces isn't JSON: {error}."
        raise UsageError(message) from error
    return dict(found)


def read_priority(text: str) -> int:
    """Return a priority that was typed.

    Raises:
        UsageError: It isn't a whole number.
    """
    if not re.fullmatch(r"\s*[0-9]{1,3}\s*", text):
        message = f"Priority '{text[:40]}' isn't a whole number."
        raise UsageError(message, hint="Take 1 (first) to 5.")
    return int(text)


def _read_expiry(text: str, before: timedelta | None) -> timedelta | None:
    if not text and before is not None:
        message = "An expiry can't be taken away, only made longer."
        raise UsageError(
            message, hint="Write a long one, such as '52w', or reset the helper to what its author declared."
        )
    return read_duration(text or None, "Expires after")


def write_payload(payload: Any) -> str:
    """Return a payload as a field for JSON begins with it."""
    return orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()


__all__ = [
    "add_editing",
    "add_preview",
    "editor_of",
    "read_lines",
    "read_payload",
    "read_priority",
    "read_update",
    "write_payload",
    "write_schedule",
]
