"""What a target may say, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from helperhub_checkin.address import parse_address
from helperhub_checkin.target import Target

SITE = {"name": "site", "url": "https://example.org/health"}


def test_payload_holds_what_was_written_and_reads_back() -> None:
    written = {**SITE, "timeout": "30s", "expect_status": [200, "300-399"], "schedule": "every 1m"}

    payload = Target.model_validate(written).to_payload()

    assert payload == {**SITE, "timeout": "30s", "expect_status": "200,300-399"}
    assert Target.model_validate(json.loads(json.dumps(payload))).timeout == timedelta(seconds=30)


def test_headers_stay_out_of_the_payload_because_they_hold_secrets() -> None:
    target = Target.model_validate({**SITE, "headers": {"Authorization": "Bearer s3cret"}})

    assert "s3cret" not in json.dumps(target.to_payload())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tcp": "db:1"}, "give one of url, tcp and tls, not url and tcp"),
        ({"url": None}, "not none"),
        ({"url": "example.org"}, "is not a URL"),
        ({"url": "ftp://example.org/"}, "is not a URL"),
        ({"url": "https://user:pw@example.org/"}, "must not hold a user or password"),
        ({"name": "my site"}, "name"),
        ({"timeout": "10"}, "has no unit"),
        ({"timeout": "2m"}, "timeout"),
        ({"expect_status": 99}, "'99' is not a status code"),
        ({"expect_status": "399-200"}, "is not a status code"),
        ({"expect_status": []}, "expects nothing"),
        ({"method": "POST"}, "method"),
        ({"method": "HEAD", "expect_text": "x"}, "no body"),
        ({"warn_days": 3}, "'warn_days' doesn't go with url"),
        ({"headers": {"X Key": "k"}}, "headers"),
        ({"headers": {"X-Key": "k\r\nHost: other"}}, "headers"),
        ({"url": None, "tcp": "db"}, "names no port"),
        ({"url": None, "tcp": "db:65536"}, "out of range"),
        ({"url": None, "tls": "https://example.org"}, "is not an address"),
        ({"url": None, "tls": "example.org", "verify": False}, "'verify' doesn't go with tls"),
        ({"url": None, "tcp": "db:1", "ca_file": "ca.pem"}, "'ca_file' doesn't go with tcp"),
        ({"expect_txt": "x"}, "expect_txt"),
    ],
)
def test_target_that_cannot_be_meant_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Target.model_validate({**SITE, **change})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("example.org", ("example.org", 443)),
        ("10.0.0.5:5432", ("10.0.0.5", 5432)),
        ("[::1]:8443", ("::1", 8443)),
        ("[fe80::1%eth0]", ("fe80::1%eth0", 443)),
    ],
)
def test_address_is_a_host_and_perhaps_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, default_port=443) == address
