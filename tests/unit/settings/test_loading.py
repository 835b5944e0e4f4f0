from __future__ import annotations

import traceback
from collections.abc import Mapping
from datetime import timedelta

import pytest

from helperhub.errors import ConfigurationError
from helperhub.settings import Settings, load_settings


def load(plugins: tuple[str, ...] = (), /, **variables: str) -> Settings:
    return load_settings([], variables, plugin_sections=plugins).settings


def refusal(variables: Mapping[str, str], plugins: tuple[str, ...] = ()) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(plugins, **variables)
    return str(caught.value)


def test_nothing_set_leaves_every_default() -> None:
    assert load() == Settings()


def test_making_settings_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_HUB", "elsewhere")

    assert Settings().hub == "main"


def test_nested_variables_fill_their_sections() -> None:
    settings = load(
        HELPERHUB_WORKER__LEASE="1m30s",
        HELPERHUB_QUEUES__REPORTS__TIME_LIMIT="1h",
        HELPERHUB_QUEUES__REPORTS__MAX_DEPTH="10",
        HELPERHUB_LOG__LEVEL="DEBUG",
    )

    assert settings.worker.lease == timedelta(seconds=90)
    assert settings.queues["reports"].time_limit == timedelta(hours=1)
    assert settings.queues["reports"].max_depth == 10
    assert settings.log.level == "debug"


@pytest.mark.parametrize("value", ["reports, high", '["reports", "high"]', "reports,high,"])
def test_list_of_names_is_json_or_parted_by_commas(value: str) -> None:
    settings = load(HELPERHUB_WORKER__QUEUES=value, HELPERHUB_PLUGINS__BLOCKED=value)

    assert settings.worker.queues == ["reports", "high"]
    assert settings.plugins.blocked == ["reports", "high"]


def test_section_may_be_json_and_single_variables_refine_it() -> None:
    settings = load(
        HELPERHUB_WORKER='{"threads": 3, "lease": "45s"}',
        HELPERHUB_WORKER__THREADS="4",
        HELPERHUB_QUEUES='{"My-Queue": {"max_depth": 5}}',
    )

    assert (settings.worker.threads, settings.worker.lease) == (4, timedelta(seconds=45))
    assert settings.queues["My-Queue"].max_depth == 5


def test_names_of_other_software_are_honoured() -> None:
    settings = load(REDIS_URL="redis://other", SENTRY_DSN="https://key@host/1", WORKER_COUNT="5")

    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://other"
    assert settings.sentry_dsn is not None
    assert settings.worker.processes == 5


def test_own_name_wins_over_that_of_other_software() -> None:
    settings = load(
        REDIS_URL="redis://other",
        HELPERHUB_REDIS_URL="redis://own",
        WORKER_COUNT="5",
        HELPERHUB_WORKER__PROCESSES="6",
    )

    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://own"
    assert settings.worker.processes == 6
    assert load(WORKER_COUNT="5", HELPERHUB_WORKER='{"processes": 7}').worker.processes == 7


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WORKER__LEASE", "30", "='30': Duration '30' has no unit. Write '30s', '30m' or '30h'."),
        ("WORKER__LEASE", "0s", "='0s': it must be more than 0s."),
        ("WORKER__LEASE", "soon", "'soon' is not a duration. Write a number with a unit"),
        ("WORKER__THREADS", "many", "='many': that is not a whole number. Write digits, such as '8'."),
        ("WORKER__THREADS", "0", "='0': it must be at least 1."),
        ("WORKER__PROCESSES", "257", "='257': it must be at most 256."),
        ("WORKER__BURST", "maybe", "='maybe': that is neither yes nor no. Write 'true' or 'false'."),
        ("LOG__LEVEL", "loud", "='loud': write 'debug', 'info', 'warning' or 'error'."),
        ("HISTORY__MEMORY_SHARE", "half", "='half': that is not a number. Write it like '0.5'."),
        ("HUB", "a b", "='a b': it must match"),
        ("TIMEZONE", "Europe/Berln", "Did you mean 'Europe/Berlin'"),
        ("WORKER", "4", "='4': that is not a JSON object"),
        ("WORKER", '{"lease": 30}', "at lease: Duration '30' has no unit."),
        ("WORKER", '{"threds": 3}', "'threds' is not the name of a setting."),
        ("QUEUES__REPORTS__MAX_ATTEMPTS", "0", "='0': it must be at least 1."),
        ("SCHEDULER__WINDOW", "1m", "PLAN_EVERY must be shorter than HELPERHUB_SCHEDULER__WINDOW."),
        ("REDIS_URL", "http://localhost", "It must start with redis://, rediss://, unix://, "),
    ],
)
def test_wrong_value_is_refused_with_what_to_write(name: str, value: str, message: str) -> None:
    refused = refusal({f"HELPERHUB_{name}": value})

    assert message in refused
    assert refused.startswith("HELPERHUB_")


def test_wrong_value_is_named_by_the_variable_that_said_it() -> None:
    assert refusal({"WORKER_COUNT": "many"}).startswith("WORKER_COUNT='many': ")


def test_every_mistake_is_listed_in_one_error() -> None:
    message = refusal(
        {"HELPERHUB_WORKER__LEASE": "30", "HELPERHUB_WORKER__THREDS": "3", "HELPERHUB_HUBB": "x", "WORKER_COUNT": "x"}
    )

    assert message.startswith("4 settings can't be used:\n")
    assert [line.strip().split("=")[0].split(" ")[0] for line in message.splitlines()[1:]] == [
        "HELPERHUB_WORKER__THREDS",
        "HELPERHUB_HUBB",
        "WORKER_COUNT",
        "HELPERHUB_WORKER__LEASE",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HELPERHUB_HUBB", "HELPERHUB_HUB"),
        ("HELPERHUB_WORKER__THREDS", "HELPERHUB_WORKER__THREADS"),
        ("HELPERHUB_WORKER_THREADS", "HELPERHUB_WORKER__THREADS"),
        ("HELPERHUB_WROKER__THREADS", "HELPERHUB_WORKER__THREADS"),
        ("HELPERHUB_QUEUES__REPORTS__TIME_LIMT", "HELPERHUB_QUEUES__REPORTS__TIME_LIMIT"),
        ("HELPERHUB_WEATHR__LATITUDE", "HELPERHUB_WEATHER__LATITUDE"),
    ],
)
def test_misspelt_variable_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    message = refusal({name: "1"}, ("weather",))

    assert message == f"{name} is not the name of a setting. Did you mean {meant}?"


def test_variable_that_nothing_resembles_is_refused() -> None:
    message = refusal({"HELPERHUB_ELEPHANT__EARS": "2"})

    assert message == "HELPERHUB_ELEPHANT__EARS is not the name of a setting, and no plugin of that name is installed."


def test_variables_of_an_installed_plugin_are_let_through() -> None:
    variables = {"HELPERHUB_WEATHER__LATITUDE": "52", "HELPERHUB_CHECK_IN__TARGETS": "[]", "HELPERHUB_WEATHER": "{}"}

    loaded = load_settings([], variables, plugin_sections=lambda: ["weather", "check-in"])

    assert loaded.settings == Settings()


def test_variables_that_platforms_and_supervisors_set_are_let_through() -> None:
    load(
        HELPERHUB_SERVICE_HOST="10.0.0.1",
        HELPERHUB_SERVICE_PORT="6379",
        HELPERHUB_PORT="tcp://10.0.0.1:6379",
        HELPERHUB_PORT_6379_TCP_ADDR="10.0.0.1",
        HELPERHUB_WEB_SERVICE_PORT_HTTP="80",
        HELPERHUB_STARTED_AT="1",
        HELPERHUB_TEST_PG_URL="postgresql://localhost",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HELPERHUB_REDIS_URL", "http://:s3cret@localhost"),
        ("REDIS_URL", "http://:s3cret@localhost"),
        ("HELPERHUB_ON_FAILURE", '{"smtp_password": "s3cret", "smtp_port": 0}'),
        ("HELPERHUB_ON_FAILURE__SMTP_PORT", "smtp://user:s3cret@host"),
        ("HELPERHUB_REDIS_URLL", "redis://:s3cret@localhost"),
    ],
)
def test_secret_is_in_neither_message_nor_traceback(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(**{name: value})

    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
