from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from helperhub.errors import ConfigurationError
from helperhub.plugins.loader import load_plugins, quarantine_message

if TYPE_CHECKING:
    from tests.unit.plugins.conftest import Site


def reason(site: Site, code: str, *, timeout: timedelta = timedelta(seconds=10), **variables: str) -> str:
    """Return why a plugin of ``code`` is quarantined, having checked that its neighbours run."""
    site.install_good("alpha", "omega")
    site.install("broken", code, version="0.3")

    plugins = site.load(timeout=timeout, **variables)

    assert [plugin.name for plugin in plugins.loaded] == ["alpha", "omega"]
    (quarantined,) = plugins.quarantined
    assert (quarantined.name, quarantined.distribution, quarantined.version) == ("broken", "helperhub-broken", "0.3")
    return quarantined.reason


def test_plugins_are_loaded_in_order_of_their_names(site: Site) -> None:
    site.install_good("cherry", "apple", "banana")

    plugins = site.load()

    assert [plugin.name for plugin in plugins.loaded] == ["apple", "banana", "cherry"]
    assert plugins.loaded[0].distribution == "helperhub-apple"
    assert plugins.loaded[0].version == "1.0"
    assert list(plugins.loaded[0].helpers) == ["apple"]
    assert [spec.key for spec in plugins.loaded[0].specs] == ["apple"]


def test_installed_distributions_are_found_without_being_told(site: Site) -> None:
    site.install_good("apple")

    plugins = load_plugins(blocked=[], settings_of=lambda _plugin, model: model(), timezone="UTC")

    assert "apple" in {plugin.name for plugin in plugins.loaded}


def test_plugin_that_lacks_a_package_is_quarantined(site: Site) -> None:
    assert reason(site, "import pandas_that_is_missing") == "No module named 'pandas_that_is_missing'"


def test_plugin_that_raises_at_import_is_quarantined_with_the_place(site: Site) -> None:
    found = reason(site, "raise ValueError('no luck')")

    assert found.startswith("ValueError: no luck (")
    assert found.endswith(f"{site.modules[-1]}.py, line 5)")


def test_plugin_with_a_syntax_error_is_quarantined_with_the_place(site: Site) -> None:
    found = reason(site, "def broken(:")

    assert found == f"syntax error: invalid syntax ({site.modules[-1]}.py, line 5)"


def test_plugin_that_exits_at_import_is_quarantined(site: Site) -> None:
    assert reason(site, "import sys; sys.exit(3)") == "it called sys.exit(3) while it was loaded"


def test_plugin_that_interrupts_is_quarantined(site: Site) -> None:
    assert reason(site, "raise KeyboardInterrupt").startswith("KeyboardInterrupt")


def test_plugin_that_hangs_at_import_is_quarantined_in_time(site: Site) -> None:
    code = f"""
    import pathlib, time
    while not pathlib.Path({str(site.release)!r}).exists():
        time.sleep(0.05)
    """

    assert reason(site, code, timeout=timedelta(seconds=0.3)) == "it was not done after 0.3 seconds"


def test_plugin_that_needs_a_module_whose_import_hangs_is_quarantined_too(site: Site) -> None:
    slow = f"""
    import pathlib, time
    while not pathlib.Path({str(site.release)!r}).exists():
        time.sleep(0.05)
    """
    site.install("hanging", slow)
    site.install("leaning", f"import {site.modules[0]}")
    site.install_good("omega")

    plugins = site.load(timeout=timedelta(seconds=0.3))

    assert [plugin.name for plugin in plugins.quarantined] == ["hanging", "leaning"]
    assert [plugin.name for plugin in plugins.loaded] == ["omega"]


def test_plugin_that_hangs_in_its_hook_is_quarantined_and_what_it_adds_later_counts_for_nothing(site: Site) -> None:
    code = """
    import threading
    go, done = threading.Event(), threading.Event()

    @helper
    def late(ctx): ...

    @hookimpl
    def helperhub_register(hub):
        go.wait()
        hub.add(late)
        done.set()
    """
    site.install("late", code)

    plugins = site.load(timeout=timedelta(seconds=0.3))
    module = __import__(site.modules[0])
    module.go.set()

    assert module.done.wait(5)
    assert plugins.loaded == ()
    assert plugins.quarantined[0].reason == "it was not done after 0.3 seconds"


def test_plugin_without_the_hook_is_quarantined(site: Site) -> None:
    code = """
    def helperhub_register(hub): ...
    """

    found = reason(site, code)

    assert "has no helperhub_register hook. Decorate 'def helperhub_register(hub)' there with @hookimpl." in found


def test_plugin_with_a_misspelt_hook_is_quarantined(site: Site) -> None:
    code = """
    @hookimpl
    def helperhub_registr(hub): ...
    """

    assert "unknown hook 'helperhub_registr'" in reason(site, code)


def test_plugin_whose_hook_takes_another_argument_is_quarantined(site: Site) -> None:
    code = """
    @hookimpl
    def helperhub_register(hubb): ...
    """

    assert "hubb" in reason(site, code)


def test_plugin_that_raises_in_its_hook_is_quarantined(site: Site) -> None:
    code = """
    @hookimpl
    def helperhub_register(hub):
        raise RuntimeError("no luck")
    """

    assert reason(site, code).startswith("RuntimeError: no luck (")


def test_plugin_that_adds_what_can_not_be_used_is_quarantined_with_all_of_it(site: Site) -> None:
    code = """
    @helper(schedule={"type": "interval", "interval": "5"})
    def backup(ctx): ...

    @helper
    def fine(ctx): ...

    @hookimpl
    def helperhub_register(hub):
        hub.add(fine)
        hub.add(backup)
    """

    assert reason(site, code) == (
        "Schedule 'backup' in plugin helperhub-broken 0.3 has interval '5': a bare number has no unit. "
        "Write '5s', '5m' or '5h'."
    )


def test_plugin_with_a_setting_missing_is_quarantined_at_start(site: Site) -> None:
    code = """
    class Settings(BaseModel):
        latitude: float

    @helper(settings=Settings)
    def fine(ctx): ...

    @hookimpl
    def helperhub_register(hub):
        hub.add(fine)
    """

    assert reason(site, code) == "Plugin 'broken': HELPERHUB_BROKEN__LATITUDE: it is missing. Set it."


def test_traceback_of_a_quarantined_plugin_is_kept(site: Site) -> None:
    site.install("broken", "raise ValueError('no luck')")

    assert "Traceback" in site.load().quarantined[0].details


def test_blocked_plugin_is_listed_and_not_imported(site: Site) -> None:
    site.install_good("alpha")
    site.install("broken", "raise SystemExit(1)", version="0.3")

    plugins = site.load("broken")

    assert [(plugin.name, plugin.distribution, plugin.version) for plugin in plugins.blocked] == [
        ("broken", "helperhub-broken", "0.3")
    ]
    assert [plugin.name for plugin in plugins.loaded] == ["alpha"]
    assert plugins.quarantined == ()


def test_two_plugins_with_one_helper_name_start_nothing(site: Site) -> None:
    code = """
    @helper(name="backup")
    def one(ctx): ...

    @hookimpl
    def helperhub_register(hub):
        hub.add(one, instance=__name__)
    """
    site.install("first", code, version="1.2")
    site.install("second", code, version="3.4")

    with pytest.raises(ConfigurationError) as caught:
        site.load()

    assert str(caught.value) == (
        "Helper 'backup' comes from both helperhub-first 1.2 (plugin 'first') and helperhub-second 3.4 "
        "(plugin 'second'). Uninstall one of them, or set HELPERHUB_PLUGINS__BLOCKED=second."
    )
    assert [plugin.name for plugin in site.load("second").loaded] == ["first"]


def test_two_plugins_with_one_actor_name_start_nothing(site: Site) -> None:
    code = """
    import dramatiq

    @dramatiq.actor
    def backup(): ...

    @hookimpl
    def helperhub_register(hub):
        hub.add(backup)
    """
    site.install("first", code)
    site.install("second", code)
    dramatiq.set_broker(StubBroker())

    with pytest.raises(ConfigurationError, match=r"Helper 'backup' comes from both helperhub-first 1\.0"):
        site.load()


@pytest.mark.parametrize("second", ["same", "SAME"])
def test_two_plugins_with_one_section_of_settings_start_nothing(site: Site, second: str) -> None:
    site.install("same", "", distribution="helperhub-first")
    site.install(second, "", distribution="helperhub-second")

    with pytest.raises(ConfigurationError, match="comes from both helperhub-"):
        site.load()


def test_plugin_is_told_zone_and_start(site: Site) -> None:
    code = """
    @hookimpl
    def helperhub_register(hub):
        hub.report(f"{hub.timezone} {hub.started_at:%Y}")
    """
    site.install("curious", code)

    plugins = site.load(timezone="Europe/Berlin")

    assert plugins.loaded[0].problems == (f"Europe/Berlin {datetime.now(UTC):%Y}",)


def test_quarantine_message_says_why_what_runs_and_what_to_do(site: Site) -> None:
    site.install_good("alpha", "beta", "gamma", "delta")
    site.install("reports", "import pandas_that_is_missing.frame", version="0.3")

    plugins = site.load()

    assert quarantine_message(plugins.quarantined[0], plugins) == (
        "Plugin 'reports' (helperhub-reports 0.3) was not loaded: No module named 'pandas_that_is_missing'. "
        "The other 4 run. Install pandas_that_is_missing, or set HELPERHUB_PLUGINS__BLOCKED=reports."
    )


def test_quarantine_message_keeps_what_is_blocked_already(site: Site) -> None:
    site.install_good("alpha", "beta")
    site.install("reports", "raise SystemExit", version="0.3")

    plugins = site.load("beta")

    assert quarantine_message(plugins.quarantined[0], plugins) == (
        "Plugin 'reports' (helperhub-reports 0.3) was not loaded: it called sys.exit() while it was loaded. "
        "The other one runs. Set HELPERHUB_PLUGINS__BLOCKED=beta,reports."
    )


def test_loading_plugins_leaves_signal_handlers_alone_and_no_thread_behind(site: Site) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    site.install_good("alpha")
    before = threading.active_count()

    site.load()

    assert signal.getsignal(signal.SIGTERM) is handler
    assert threading.active_count() <= before  # a thread of another test may have ended


NOTIFIER = """
from helperhub import Notifier

@hookimpl
def helperhub_notifiers(hub):
    return [{what}]
"""


def test_plugin_that_only_tells_of_alerts_is_loaded(site: Site) -> None:
    site.install("pager", NOTIFIER.format(what="Notifier('pager', dict), Notifier('boss', dict, second=True)"))

    (plugin,) = site.load().loaded

    assert (plugin.helpers, [(one.name, one.second) for one in plugin.notifiers]) == (
        {},
        [("pager", False), ("boss", True)],
    )


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("'pager'", "returned str, which is no Notifier"),
        ("Notifier('pager', dict), Notifier('pager', dict)", "Two of its ways to tell of alerts are named 'pager'"),
        ("Notifier('https://user:secret@example.org', dict)", "can't be the name of a way to tell"),
    ],
)
def test_plugin_whose_notifiers_cannot_be_used_is_quarantined(site: Site, what: str, reason: str) -> None:
    site.install("pager", NOTIFIER.format(what=what))

    (plugin,) = site.load().quarantined

    assert reason in plugin.reason
