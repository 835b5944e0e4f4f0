"""Running a helper once: a form made from its payload's schema, or JSON; what doesn't fit is said beside its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import Caller, of_session
from helperhub.api.bodies import read_duration
from helperhub.api.named import Name, check_sees
from helperhub.errors import HelperHubError, UsageError
from helperhub.hub import Hub
from helperhub.model.access import Scope
from helperhub.model.execution import Trigger
from helperhub.services.enqueueing import EnqueueOptions
from helperhub.services.helper_document import read_payload_schema
from helperhub.store.catalogue import CatalogueRow
from helperhub.trust.redaction import redact_fields
from helperhub.web.forms import Form
from helperhub.web.notice import done
from helperhub.web.pages.helper_editing import read_payload, read_priority, write_payload
from helperhub.web.payload.checks import Flaw, find_flaws
from helperhub.web.payload.fields import Field, build_fields
from helperhub.web.payload.reading import as_sent, filled_again, read_fields, unplaced
from helperhub.web.render import Pages

_FIELDS, _JSON = "fields", "json"
As = Annotated[str, Query(alias="as", pattern="^(fields|json)$")]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a form asks for.

    Args:
        payload: None is what the schedule gives.
        flaws: What is wrong with it.
    """

    payload: Any
    flaws: list[Flaw]


def add_running(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    """Add what the form that runs a helper is sent to."""

    @routes.post("/-/form/{name:path}", **of_session(Scope.RUN))
    def switch(request: Request, caller: Caller, name: Name, form: Form, wanted: As = _FIELDS) -> Response:
        check_sees(hub, caller, name)
        shown = _switched(hub.helpers.row(name), form, wanted)
        return pages.part(request, "helper_run.html", one=hub.helpers.show(name), run=shown)

    @routes.post("/-/run/{name:path}", **of_session(Scope.RUN))
    def run(request: Request, caller: Caller, name: Name, form: Form) -> Response:
        check_sees(hub, caller, name)
        row, started, problem, flaws = hub.helpers.row(name), None, None, []
        try:
            asked = _read(row, form)
            flaws = asked.flaws
            if not flaws:
                started = hub.accepting.accept(name, asked.payload, _read_options(form)).id
        except HelperHubError as error:
            problem = error
        shown = _shown_again(row, form, flaws) | {"started": started, "problem": problem}
        answer = pages.part(request, "helper_run.html", one=hub.helpers.show(name), run=shown)
        return answer if started is None else done(f"{name} is started.", shown=answer)


def run_form_of(row: CatalogueRow) -> dict[str, Any]:
    """Return what the form to run a helper begins with: what it is given by schedule, but for secrets."""
    spec = row.spec
    fields = _fields_of(row)
    hides = redact_fields(spec.payload, spec.secret_fields) != spec.payload
    return {
        "fields": fields,
        "has_fields": fields is not None,
        "has_schema": spec.payload_schema is not None,
        "payload": "" if hides or spec.payload is None else write_payload(spec.payload),
        "hides": hides,
        "flaws": [],
        "asks_anyway": False,
        "delay": "",
        "priority": "",
        "problem": None,
        "started": None,
    }


def _fields_of(row: CatalogueRow, payload: Any = None) -> tuple[Field, ...] | None:
    spec = row.spec
    given = spec.payload if payload is None else payload
    return build_fields(read_payload_schema(spec), given, spec.secret_fields)


def _read(row: CatalogueRow, form: Mapping[str, str]) -> _Asked:
    """Return what the form asks for.

    Raises:
        UsageError: The payload isn't JSON.
    """
    schema = row.spec.payload_schema or ""
    fields = _fields_of(row) if form.get("as") == _FIELDS else None
    if fields is None:
        payload = read_payload(form.get("payload", ""))
        anyway = payload is None or form.get("anyway") == "yes"
        return _Asked(payload, [] if anyway else find_flaws(schema, payload))
    filled = read_fields(fields, form)
    if row.spec.payload is not None and filled == read_fields(fields, as_sent(fields)):
        # With its secrets, which aren't in the form: they go with nothing that somebody else has changed.
        return _Asked(None, [])
    return _Asked(filled.payload, [*filled.flaws, *find_flaws(schema, filled.payload)])


def _shown_again(row: CatalogueRow, form: Mapping[str, str], flaws: Iterable[Flaw]) -> dict[str, Any]:
    """Return the form as it was sent, with what is wrong; secrets aren't shown back."""
    shown = run_form_of(row) | {name: form.get(name, "") for name in ("delay", "priority")}
    fields, found = shown["fields"], list(flaws)
    if form.get("as") == _FIELDS and fields is not None:
        return shown | {"fields": filled_again(fields, form, found), "flaws": _texts(unplaced(fields, found))}
    text = form.get("payload", "")
    return shown | {"fields": None, "payload": text, "flaws": _texts(found), "asks_anyway": bool(found)}


def _switched(row: CatalogueRow, form: Mapping[str, str], wanted: str) -> dict[str, Any]:
    """Return the form in the other way, with what was filled in so far."""
    shown = _shown_again(row, {**form, "as": _JSON if wanted == _FIELDS else _FIELDS}, ())
    begun = _fields_of(row)
    if wanted == _JSON and begun is not None:
        payload = _without_hidden(read_fields(begun, form).payload, begun)
        return shown | {"fields": None, "payload": write_payload(payload)}
    try:
        payload = read_payload(form.get("payload", ""))
    except UsageError as error:
        return shown | {"problem": error}
    fields = _fields_of(row, payload)
    if fields is None:
        message = "This can't be shown in fields: it has something that they have no place for."
        return shown | {"problem": UsageError(message, hint="Run it as JSON.")}
    return shown | {"fields": fields}


def _without_hidden(payload: dict[str, Any], fields: Iterable[Field]) -> dict[str, Any]:
    found = dict(payload)
    for one in fields:
        name = one.path[-1]
        if one.hidden:
            found.pop(name, None)
        elif one.kind == "group" and isinstance(found.get(name), dict):
            found[name] = _without_hidden(found[name], one.fields)
    return found


def _texts(flaws: Iterable[Flaw]) -> list[tuple[str, str]]:
    return [(".".join(map(str, flaw.path)), flaw.text) for flaw in flaws]


def _read_options(form: Mapping[str, str]) -> EnqueueOptions:
    priority = form.get("priority", "").strip()
    return EnqueueOptions(
        delay=read_duration(form.get("delay", "").strip() or None, "Wait"),
        priority=read_priority(priority) if priority else None,
        trigger=Trigger.MANUAL,
        wait=timedelta(0),
    )


__all__ = ["add_running", "run_form_of"]
