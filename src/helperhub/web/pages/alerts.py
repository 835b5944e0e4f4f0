"""Alerts: what fires and what did, taken on; above what each rule fires, changed here and set back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from helperhub.api.access import Caller, build_router, of_session
from helperhub.api.routes.alerts import check_alert, sees_alert
from helperhub.errors import NotFound
from helperhub.hub import Hub
from helperhub.model.access import Principal, Scope
from helperhub.model.alert import RULES, Unit
from helperhub.services.alerts import find_rule, parse_threshold
from helperhub.web.confirm import Field, Question, act, ask
from helperhub.web.forms import Form
from helperhub.web.notice import done
from helperhub.web.render import Pages

Word = Annotated[str, Query(max_length=300)]
#: Resolved ones, the newest.
_MOST_RESOLVED = 100
_HINTS = {
    Unit.COUNT: "A whole number, such as 20.",
    Unit.SECONDS: "A duration, such as 90s, 5m or 1h30m.",
    Unit.SHARE: "A share, such as 80% or 0.8.",
}


def build_alerts_page(hub: Hub, pages: Pages) -> APIRouter:
    """Return the routes of the page of alerts."""
    routes = build_router("", "dashboard")

    @routes.get("/alerts", **of_session(Scope.READ))
    def show(request: Request, caller: Caller) -> Response:
        return pages.page(request, "alerts.html", title="Alerts", **_look(hub, caller))

    @routes.get("/alerts/acknowledge", **of_session(Scope.MANAGE))
    def ask_note(request: Request, caller: Caller, id: Word = "") -> Response:  # noqa: A002 - DESIGN's word
        return ask(pages, request, _taking_on(check_alert(hub, caller, id)))

    @routes.post("/alerts/acknowledge", **of_session(Scope.MANAGE))
    def acknowledge(request: Request, caller: Caller, form: Form) -> Response:
        alert = check_alert(hub, caller, form.get("id", ""))

        def deed() -> Response:
            hub.alerts.acknowledge(alert["id"], note=form.get("note", ""))
            return done("You have taken it on: nobody is reminded of it.")

        return act(hub, pages, request, form, _taking_on(alert), deed)

    @routes.post("/alerts/test", **of_session(Scope.MANAGE, whole=True))
    def test() -> Response:
        hub.alerts.test()
        return done("A message goes to all targets; executions of helperhub.alert tell how it went.")

    _add_rules(routes, hub, pages)
    return routes


def _add_rules(routes: APIRouter, hub: Hub, pages: Pages) -> None:
    @routes.get("/alerts/rule", **of_session(Scope.MANAGE, whole=True))
    def ask_threshold(request: Request, rule: Word = "", subject: Word = "") -> Response:
        return ask(pages, request, _threshold(hub, rule, subject))

    @routes.post("/alerts/rule", **of_session(Scope.MANAGE, whole=True))
    def set_threshold(request: Request, form: Form) -> Response:
        rule, subject = form.get("rule", ""), form.get("subject", "").strip()

        def deed() -> Response:
            value = parse_threshold(find_rule(rule), form.get("threshold", ""))
            hub.alerts.set(rule, value, subject=subject)
            never = f"Rule {rule} is off" if value is None else f"Rule {rule} fires above {form['threshold']}"
            return done(f"{never}{f' for {subject}' if subject else ''}.")

        return act(hub, pages, request, form, _threshold(hub, rule, subject), deed)

    @routes.post("/alerts/reset", **of_session(Scope.MANAGE, whole=True))
    def reset(form: Form) -> Response:
        found = hub.alerts.reset(form.get("rule", ""), subject=form.get("subject", ""))
        return done(f"Rule {found['rule']} fires above what is set again: {found['shown']}.")


def _look(hub: Hub, caller: Principal) -> dict[str, Any]:
    found = [one for one in hub.alerts.all(resolved=True) if sees_alert(hub, caller, one["subject"])]
    return {
        "firing": [one for one in found if one["state"] != "resolved"],
        "resolved": [one for one in found if one["state"] == "resolved"][:_MOST_RESOLVED],
        # Rules are of the whole hub.
        "rules": None if caller.is_narrowed else hub.alerts.rules(),
        "enabled": hub.settings.alerts.enabled,
    }


def _taking_on(alert: dict[str, Any]) -> Question:
    return Question(
        title="Take this alert on?",
        text=f"{alert['text']} Nobody is reminded of it any more, and it isn't escalated.",
        action="alerts/acknowledge",
        button="Take it on",
        values={"id": alert["id"]},
        fields=(Field("note", "What the others should know", hint="Such as: on it, back by noon."),),
    )


def _threshold(hub: Hub, rule: str, subject: str) -> Question:
    found = next((one for one in hub.alerts.rules() if one["rule"] == rule), None)
    if found is None:
        message = f"'{rule[:80]}' is no rule."
        raise NotFound(message)
    facts = RULES[find_rule(rule)]
    own = {one["subject"]: one["shown"] for one in found["subjects"]}
    fields = [Field("threshold", "Fires above", own.get(subject, found["shown"]), f"{_HINTS[facts.unit]} off: never.")]
    if facts.subjects:
        kinds = " or ".join(kind if kind == "hub" else f"{kind}:NAME" for kind in facts.subjects)
        fields.append(Field("subject", "Only for", subject, f"{kinds}; empty: all that have none of their own."))
    return Question(
        title=f"Rule {rule}",
        text=found["about"],
        action="alerts/rule",
        button="Set",
        values={"rule": rule},
        fields=tuple(fields),
    )
