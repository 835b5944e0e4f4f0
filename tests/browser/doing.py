"""What people do on many pages: answer a question, read what was done, look at what became of it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect
from tests.browser.watch import Watched

from helperhub import Hub
from helperhub.api.access import COOKIE
from helperhub.model.execution import Execution
from helperhub.services.audit import AuditFilter
from helperhub.services.execution_filter import ExecutionFilter


def expect_notice(page: Page, text: str) -> None:
    """Wait until the page tells of a change in these words."""
    expect(page.locator("#notice")).to_contain_text(text)


def question_of(page: Page) -> Locator:
    """Return the dialog that asks, once it is there."""
    found = page.locator("dialog#ask[open]")
    expect(found).to_be_visible()
    return found


def expect_answered(page: Page) -> None:
    """Wait until no dialog is open."""
    expect(page.locator("dialog[open]")).to_have_count(0)


def forget_confirmation(watched: Watched, hub: Hub) -> None:
    """Let the time pass for which a key that was shown counts."""
    (token,) = [one["value"] for one in watched.context.cookies() if one["name"] == COOKIE]
    content = hub.sessions.store.get(token)
    assert content is not None
    hub.sessions.store.put(token, {**content, "confirmed_ms": 0}, ttl_ms=600_000)


def executions_of(hub: Hub, helper: str) -> list[Execution]:
    """Return those of a helper, newest first, without what is planned."""
    return hub.executions.find(ExecutionFilter(helper=helper), limit=100)


def audited(hub: Hub, action: str) -> list[str]:
    """Return what an action was done to, newest first."""
    return [str(one["target"]) for one in hub.audit.find(AuditFilter(action=action), limit=50)]
