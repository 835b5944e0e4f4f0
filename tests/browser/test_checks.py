"""What the suite goes by does find faults: a page with all of them is caught."""

from __future__ import annotations

import pytest
from tests.browser.axe import violations_of
from tests.browser.watch import Watched, overflow_of


def test_axe_finds_what_is_wrong(someone: Watched) -> None:
    page = someone.open()
    assert violations_of(page) == []

    page.evaluate("document.querySelector('main').append(document.createElement('button'))")

    (found,) = violations_of(page)
    assert found.startswith("button-name")


def test_what_sticks_out_is_found(someone: Watched) -> None:
    page = someone.open()
    assert overflow_of(page) == []

    page.evaluate("Object.assign(document.querySelector('h1').style, { width: '3000px' })")

    wide, first = overflow_of(page)[:2]
    assert wide > 1000
    assert first.startswith("<h1")


def test_errors_and_what_the_policy_forbids_are_found(someone: Watched) -> None:
    page = someone.open()
    someone.check()

    page.evaluate("setTimeout(() => { throw new Error('torn') })")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: 'alert(1)' }))")
    page.evaluate("document.body.append(Object.assign(new Image(), { src: 'http://192.0.2.1/x.png' }))")

    page.wait_for_timeout(300)
    with pytest.raises(AssertionError) as caught:
        someone.check()
    for part in ("torn", "script-src", "192.0.2.1"):
        assert part in str(caught.value)
    someone.problems.clear()
