"""A target: what is looked at, how, and what it must answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from helperhub import HelperHubError
from helperhub.model.duration import format_duration, parse_duration
from helperhub_checkin.address import parse_address, parse_url, show_url
from helperhub_checkin.status import StatusSet

Kind = Literal["http", "tcp", "tls"]

#: What goes with one or two kinds only; the rest goes with all.
_GOES_WITH: dict[str, tuple[Kind, ...]] = {
    "expect_status": ("http",),
    "expect_text": ("http",),
    "method": ("http",),
    "headers": ("http",),
    "verify": ("http",),
    "ca_file": ("http", "tls"),
    "warn_days": ("tls",),
}


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except HelperHubError as error:
        # pydantic names the field for a ValueError only.
        raise ValueError(str(error)) from error


Duration = Annotated[
    timedelta, BeforeValidator(_duration), PlainSerializer(format_duration, return_type=str, when_used="json")
]

# RFC 9110, sections 5.1 and 5.5. Checked here, because the HTTP library quotes a bad value in its error.
HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^([\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?)?$")]


class Target(BaseModel):
    """One target: ``url``, ``tcp`` or ``tls``, and what goes with it.

    Args:
        name: Name of the instance, as in ``checkin/site``.
        url: http or https URL to ask for.
        tcp: ``host:port`` that must take a connection.
        tls: ``host[:port]`` whose certificate must be good; port 443 if none is given.
        schedule: When it is checked: text such as ``every 5m``, or the dict of the HTTP API.
        timeout: How long one check may take, redirects and body included; at most 1 minute.
        expect_status: Status codes that are good; a redirect that is named by its number isn't followed.
        expect_text: What the first MiB of the body must contain.
        method: ``GET``, or ``HEAD`` for no body.
        headers: Sent with the request, but not to another server that a redirect leads to.
        verify: Whether the certificate of an https URL must be good.
        ca_file: PEM file of the authorities to trust, in place of the system's.
        warn_days: A certificate with less than this left is a failure.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")
    url: str | None = None
    tcp: str | None = None
    tls: str | None = None
    schedule: str | dict[str, Any] | None = None
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=10)
    expect_status: StatusSet = "200-399"
    expect_text: str | None = Field(default=None, min_length=1)
    method: Literal["GET", "HEAD"] = "GET"
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    verify: bool = True
    ca_file: str | None = None
    warn_days: int = Field(default=14, ge=0, le=3650)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        given = [kind for kind in ("url", "tcp", "tls") if getattr(self, kind) is not None]
        if len(given) != 1:
            message = f"give one of url, tcp and tls, not {' and '.join(given) or 'none'}"
            raise ValueError(message)
        for name, kinds in _GOES_WITH.items():
            if name in self.model_fields_set and self.kind not in kinds:
                message = f"'{name}' doesn't go with {given[0]}"
                raise ValueError(message)
        if self.method == "HEAD" and self.expect_text is not None:
            message = "a HEAD request has no body for 'expect_text'; take GET"
            raise ValueError(message)
        self._check_place()
        return self

    def _check_place(self) -> None:
        if self.url is not None:
            parse_url(self.url)
        else:
            _ = self.address

    @property
    def kind(self) -> Kind:
        """What is checked."""
        if self.url is not None:
            return "http"
        return "tcp" if self.tcp is not None else "tls"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of a ``tcp`` or ``tls`` target."""
        if self.tcp is not None:
            return parse_address(self.tcp)
        return parse_address(self.tls or "", default_port=443)

    @property
    def description(self) -> str:
        """What is checked, for people."""
        if self.url is not None:
            return f"{self.method} {show_url(parse_url(self.url))}"
        return f"TCP {self.tcp}" if self.tcp is not None else f"TLS certificate of {self.tls}"

    def to_payload(self) -> dict[str, Any]:
        """Return the JSON that `Target` reads back, without ``schedule`` and ``headers``.

        Headers stay out because payloads are stored and shown, and headers hold secrets; the check
        takes them from the settings of the process it runs in.
        """
        return self.model_dump(mode="json", exclude_unset=True, exclude={"schedule", "headers"})
