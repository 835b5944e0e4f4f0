"""Words that requests write things in, as JSON Schema tells them: times, durations, rates, schedules, limits.

The patterns are for the reader and his tools. What is sent is read by the same functions as on the command line,
which say more than "doesn't match", and also take rarer forms: ``1.5h``, every field that crontab(5) knows.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header
from pydantic import AfterValidator, BeforeValidator, Field

from helperhub.model.callback_url import MAX_URL

_ZONE = {"enum": [None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]}
_SPAN = r"[1-9][0-9]{0,3}(ms|s|m|h|d)"
_LONG_SPAN = r"[1-9][0-9]?(s|m|h|d)"
_PER_TIME = "[1-9][0-9]{0,3}/(([1-9][0-9]?)?(s|m|h)|([1-9]|[12][0-9])?d)"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
_DATE = r"20[2-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_TIME = rf"{_DATE}T{_CLOCK}(\.[0-9]{{1,6}})?(Z|[+-](0[0-9]|1[0-2]):[0-5][0-9])"
_CRON = " ".join(
    (
        r"(\*(/[1-9])?|[1-5]?[0-9](,[1-5]?[0-9])*)",
        r"(\*(/[1-9])?|(1?[0-9]|2[0-3])(,(1?[0-9]|2[0-3]))*)",
        r"(\*|[1-9]|1[0-9]|2[0-8])",
        r"(\*|[1-9]|1[0-2])",
        r"(\*|1-5|[0-6](,[0-6])*)",
    )
)
_ALIAS = "@(hourly|daily|weekly|monthly|yearly)"


def _shown(pattern: str, example: str, most: int = 200) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^({pattern})$", "maxLength": most, "examples": [example]}


def _in_words(pattern: str, most: int) -> Any:
    return Field(max_length=most, json_schema_extra={"pattern": f"^({pattern})$"})


#: A moment, RFC 3339 with an offset.
Moment = Annotated[str, _in_words(_TIME, 40)]
#: A number with a unit; several may follow each other.
Duration = Annotated[str, _in_words(f"({_SPAN}){{1,2}}", 500)]
#: One of an execution's metadata.
Pair = Annotated[str, Field(json_schema_extra={"pattern": "^[^=]+="})]
#: So many in a time.
PerTime = Annotated[str, _in_words(_PER_TIME, 40)]
_PLACE = r"[0-9]{1,14}(\.[0-9]{1,20}\.-?[0-9]{1,6}\.[A-Za-z0-9_.~%-]{1,100})?"
#: The id of an event: a place in each shard of the hub; the empty text is none.
EventId = Annotated[str, _in_words(f"({_PLACE}(,{_PLACE}){{0,63}})?", 8000)]
#: So long the server may be asked to hold an answer back: up to 60 s.
Patience = Annotated[str, _in_words(r"0s|([1-9]|[1-5][0-9]|60)s|[1-9][0-9]{0,3}ms|1m", 40)]
_HOST = r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,12}){0,3}(:[1-9][0-9]{0,3})?"
_URL = rf"https?://{_HOST}(/[A-Za-z0-9._~-]{{0,40}}){{0,4}}(\?[A-Za-z0-9._~=&-]{{0,80}})?"
#: What may be called back; names and addresses that the schema doesn't show are read as well.
CallbackTarget = Annotated[str, _in_words(_URL, MAX_URL)]
#: The same, or the empty text for none.
CallbackChange = Annotated[str, _in_words(f"({_URL})?", MAX_URL)]
#: The header under which a request that comes again starts nothing new.
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255, pattern=r"^[!-~]([ -~]*[!-~])?$")]
#: The name of a helper or queue, as lists show it.
NameOf = Annotated[str, Field(min_length=1, max_length=200, json_schema_extra={"pattern": "^[!-~]([ -~]*[!-~])?$"})]
_SHORT = 63


def _check_bytes(key: str) -> str:
    if not key.isascii() and len(key) > _SHORT:
        message = f"Input should be ASCII, or have at most {_SHORT} characters: 255 bytes are kept"
        raise ValueError(message)
    return key


#: Of executions with one key there is one at a time. Records keep 255 bytes of it, and a character has up to four.
UniqueKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        json_schema_extra={"anyOf": [{"pattern": r"^[\x00-\x7f]*$"}, {"maxLength": _SHORT}]},
    ),
    AfterValidator(_check_bytes),
]
#: Words for people: printable, none at the ends but letters and signs.
Label = Annotated[str, Field(min_length=1, max_length=80, json_schema_extra={"pattern": r"^[!-~]([ -~]*[!-~])?$"})]


def refuse_stand_ins(value: Any) -> Any:
    """Return what may be a whole number.

    Raises:
        ValueError: It is a text or a switch, which pydantic would take for one.
    """
    if isinstance(value, bool | str):
        message = "Input should be a whole number"
        raise ValueError(message)  # noqa: TRY004 - pydantic's way
    return value


#: A whole number; neither a text nor true stands for one.
Whole = Annotated[int, BeforeValidator(refuse_stand_ins)]
#: 1 (first) to 5.
Priority = Annotated[int, Field(ge=1, le=5), BeforeValidator(refuse_stand_ins)]
#: True or false, and nothing that might stand for them.
Switch = Annotated[bool, Field(strict=True)]
_PLANNED = {"pattern": "^[a-z]+.*@20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3])([0-5][0-9]){2}Z$"}
#: An execution's own id, as its caller gives it; those of planned ones are the hub's to give.
OwnId = Annotated[str, Field(max_length=200, json_schema_extra={"pattern": "^[!-~]{1,200}$", "not": _PLANNED})]

_OF_HELPER: dict[str, Any] = {
    "priority": {"type": ["integer", "null"], "minimum": 1, "maximum": 5},
    "expiry": {"type": ["number", "null"], "minimum": 0.001, "maximum": 31_622_400, "description": "Seconds."},
    "enabled": {"type": ["boolean", "null"]},
}
_JSON = {"$ref": "#/components/schemas/Json"}
_JITTER = {"jitter": {**_shown(_LONG_SPAN, "30s"), "type": ["string", "null"]}}
_START = {"start": {**_shown(_TIME, "2026-11-23T08:30:00Z", 40), "type": ["string", "null"]}}
_OF_TYPES = ("time", "interval", "interval_minutes", "cron", "at", "tz", "jitter", "start")


def _kind(name: str, needed: dict[str, Any], more: dict[str, Any], *, never: str = "") -> dict[str, Any]:
    """Return a type of schedule; what is of another type may stand beside it, unless that is ``never``."""
    own = {**needed, **more}
    unused = {key: {**_JSON, "description": "Not used."} for key in _OF_TYPES if key not in own and key != never}
    properties = {"type": {"const": name}, **own, **unused, **_OF_HELPER}
    required = ["type", *needed]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_ZONED = {"tz": _ZONE, **_JITTER}
_EVERY = {**_ZONED, **_START}
_MINUTES = {"interval_minutes": {"type": "integer", "minimum": 1, "maximum": 527_040}}
_SCHEDULE_DICT = [
    _kind("daily", {"time": _shown(_CLOCK, "07:30:00")}, _ZONED),
    _kind("interval", _MINUTES, _EVERY, never="interval"),
    _kind("interval", {"interval": _shown(_LONG_SPAN, "90s")}, _EVERY, never="interval_minutes"),
    _kind("cron", {"cron": _shown(f"{_CRON}|{_ALIAS}", "0 9 * * 1-5")}, _ZONED),
    _kind("once", {"at": _shown(_TIME, "2026-11-23T08:30:00Z", 40)}, {"tz": _ZONE}),
    {"type": "object", "properties": _OF_HELPER, "minProperties": 1, "additionalProperties": False},
]
_SCHEDULE_TEXT = _shown(f"daily {_CLOCK}|every {_LONG_SPAN}|cron {_CRON}|{_CRON}|{_ALIAS}|once {_TIME}", "daily 07:30")
#: A schedule, as text or as a dict, which may also say something of the helper.
SCHEDULE: dict[str, Any] = {"anyOf": [*_SCHEDULE_DICT, _SCHEDULE_TEXT]}
#: Schedules by name.
SCHEDULES: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^([A-Za-z0-9][A-Za-z0-9._-]{0,79})?$"},
    "additionalProperties": SCHEDULE,
    "minProperties": 1,
    "maxProperties": 20,
}
_COUNT = {"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000}
_RATE = {"anyOf": [_shown(_PER_TIME, "100/m"), {"type": "null"}]}
#: Limits by name; null is no limit.
LIMITS: dict[str, Any] = {
    "type": "object",
    "properties": {"concurrency": _COUNT, "concurrency_per_key": _COUNT, "rate": _RATE, "rate_per_key": _RATE},
    "additionalProperties": False,
}
#: Any JSON that is taken: numbers fit 64 bits.
JSON_VALUE: dict[str, Any] = {
    "anyOf": [
        {"type": ["null", "boolean", "string"]},
        {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1},
        {"type": "number"},
        {"type": "array", "items": _JSON},
        {"type": "object", "additionalProperties": _JSON},
    ],
    "description": "Any JSON; what is written as a whole number, without point and exponent, fits 64 bits.",
}
