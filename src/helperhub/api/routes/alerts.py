"""Alerts over HTTP: what fires, taken on; their rules, and above what these fire."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from helperhub.api.access import Caller, build_router, needs
from helperhub.api.answers import Cursor, Limit, as_json, read_name_cursor, write_cursor
from helperhub.api.documents.alerts import AlertDocument, AlertPage, RuleDocument, RuleList, TestedDocument
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.alert import HUB, RULES, AlertRule, Unit
from helperhub.services.alerts import MOST, unknown_alert

Id = Annotated[str, Path(description="The alert's id.", examples=["8q3k7w2m1p0v9x4n5c6b2d"], max_length=40)]
Rule = Annotated[AlertRule, Path(description="The rule's name.", examples=["queue_depth"])]
SubjectWord = Annotated[str, Field(max_length=210, pattern=r"^(helper:[!-~]{1,200}|queue:[!-~]{1,200}|hub)?$")]
Subject = Annotated[
    SubjectWord,
    Query(
        description="Of this only: `helper:NAME`, `queue:NAME`, or `hub`; empty means of all without one of their own.",
        examples=["helper:weather"],
    ),
]


class AcknowledgeBody(BaseModel):
    """What whoever takes an alert on says."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(default="", max_length=500, description="What the others should know.", examples=["on it"])


def _one_of_the_rules(schema: dict[str, Any]) -> None:
    """Say of each rule what its threshold and its subjects can be."""
    about = schema["properties"]
    variants = []
    for rule, facts in RULES.items():
        kinds = "|".join(kind if kind == HUB else f"{kind}:[!-~]{{1,200}}" for kind in facts.subjects)
        number = {"type": ["integer" if facts.unit is Unit.COUNT else "number", "null"], "minimum": 0}
        subject = {"type": "string", "pattern": f"^({kinds})?$", "maxLength": 210}
        properties = {
            "rule": {**about["rule"], "const": rule.value},
            "threshold": {**about["threshold"], **number, "maximum": MOST[facts.unit]},
            "subject": {**about["subject"], **subject},
        }
        for one in properties.values():
            for left_out in ("$ref", "anyOf", "default", "examples"):
                one.pop(left_out, None)
        variants.append(
            {
                "type": "object",
                "properties": properties,
                "required": ["rule", "threshold"],
                "additionalProperties": False,
            }
        )
    described = {name: schema[name] for name in ("title", "description")}
    example = {"rule": "queue_depth", "threshold": 20, "subject": "queue:low"}
    schema.clear()
    schema.update({**described, "oneOf": variants, "examples": [example]})


class ThresholdBody(BaseModel):
    """Above what a rule fires, for all or for one subject."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_one_of_the_rules)

    rule: AlertRule = Field(description="The rule.")
    threshold: Annotated[float, Field(strict=True)] | None = Field(description="In the rule's unit; null is never.")
    subject: SubjectWord = Field(default="", description="Of this only; empty means of all without one of their own.")


def build_alert_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/alerts``."""
    routes = build_router("/alerts", "alerts")

    @routes.get("", summary="List alerts", response_model=AlertPage, **needs(Scope.READ, errors=(400,)))
    def list_alerts(
        caller: Caller,
        resolved: Annotated[bool, Query(description="Resolved ones too.")] = False,  # noqa: FBT002 - a query's word
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """Those that the key may see, newest first: of its helpers and queues, or all."""
        after = read_name_cursor(cursor, "after")
        found = [one for one in hub.alerts.all(resolved=resolved) if sees_alert(hub, caller, one["subject"])]
        if after:
            found = [one for one in found if one["id"] < after]
        page = found[:limit]
        following = write_cursor({"after": page[-1]["id"]}) if len(found) > limit else None
        return as_json({"alerts": page, "next_cursor": following})

    @routes.post(
        "/test",
        status_code=202,
        summary="Try the way to all targets",
        response_model=TestedDocument,
        **needs(Scope.MANAGE, whole=True, errors=(409,)),
    )
    def test() -> Response:
        """Have a message sent to all targets by a scheduler; `executions` of `helperhub.alert` tell how it went."""
        return as_json({"id": hub.alerts.test()}, 202)

    @routes.get("/{id}", summary="Show an alert", response_model=AlertDocument, **needs(Scope.READ, errors=(404,)))
    def show(caller: Caller, id: Id) -> Response:  # noqa: A002 - DESIGN's word
        """One alert."""
        return as_json(check_alert(hub, caller, id))

    @routes.post(
        "/{id}/acknowledge",
        summary="Take an alert on",
        response_model=AlertDocument,
        **needs(Scope.MANAGE, errors=(404, 409)),
    )
    def acknowledge(
        caller: Caller,
        id: Id,  # noqa: A002 - as above
        body: Annotated[AcknowledgeBody, Body()] = AcknowledgeBody(),  # noqa: B008 - a frozen default
    ) -> Response:
        """Nobody is reminded of it any more, and it isn't escalated. Doing it twice leaves the first name."""
        check_alert(hub, caller, id)
        return as_json(hub.alerts.acknowledge(id, note=body.note))

    return routes


def build_alert_rule_routes(hub: Hub) -> APIRouter:
    """Return the routes under ``/alert-rules``."""
    routes = build_router("/alert-rules", "alerts")

    @routes.get("", summary="List rules", response_model=RuleList, **needs(Scope.READ, whole=True))
    def list_rules() -> Response:
        """All rules, and above what each fires."""
        return as_json({"rules": hub.alerts.rules()})

    @routes.put(
        "",
        summary="Set a threshold",
        response_model=RuleDocument,
        **needs(Scope.MANAGE, whole=True, errors=(400, 404)),
    )
    def set_threshold(body: Annotated[ThresholdBody, Body()]) -> Response:
        """Let a rule fire above another threshold from now on, for all or for one helper or queue."""
        return as_json(hub.alerts.set(body.rule, body.threshold, subject=body.subject))

    @routes.delete(
        "/{rule}",
        summary="Take a change back",
        response_model=RuleDocument,
        **needs(Scope.MANAGE, whole=True, errors=(404,)),
    )
    def reset(rule: Rule, subject: Subject = "") -> Response:
        """Let the setting hold again."""
        return as_json(hub.alerts.reset(rule, subject=subject))

    return routes


def sees_alert(hub: Hub, caller: Principal, subject: str) -> bool:
    """Return whether an alert about ``subject`` is the caller's to know of; what is of the hub isn't of a part."""
    if not caller.is_narrowed:
        return True
    kind, _, name = subject.partition(":")
    if kind == "helper":
        return caller.sees(name, hub.profiles.queue_of(name) or "")
    return kind == "queue" and not caller.helpers and name in caller.queues


def check_alert(hub: Hub, caller: Principal, alert_id: str) -> dict[str, Any]:
    """Return an alert as a document.

    Raises:
        NotFound: There is none, or the caller may not know of it.
    """
    document = hub.alerts.show(alert_id)
    if not sees_alert(hub, caller, document["subject"]):
        raise unknown_alert(alert_id)
    return document
