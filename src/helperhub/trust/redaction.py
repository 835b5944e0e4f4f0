"""Secrets taken out of what is shown or kept for people: logs, errors, payloads of webhooks, reports to Sentry.

It knows secrets by their shape (our own keys and tokens, card numbers, credentials of a header or a URL) and by the
name they stand under. That is a net, not a wall: what a helper declares secret is known for sure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

MASK = "[redacted]"
#: As a whole name or its end: ``client_secret``, ``accessToken``, ``X-Api-Key``; not ``token_count``.
_WORDS = (
    r"(?:password|passwd|passphrase|secret|token|authorization|credential|cookie|pin|cvc|cvv"
    r"|(?:api|private|secret|access)[-_ ]?key)s?"
)
_NAME = re.compile(rf"(?:^|[-_.\s])(?:{_WORDS})$", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Ours: API keys, webhook tokens; Standard Webhooks' secrets.
_OURS = re.compile(
    r"\bhh_[a-z0-9]{1,12}_[0-9A-Za-z]{12}_[0-9A-Za-z]{43,49}|\bwh_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}"
    r"|\bwhsec_[A-Za-z0-9+/=_-]{16,}"
)
_SCHEME = re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_LOGIN = re.compile(r"(://[^/\s:@]*:)[^@\s/]+@")
#: ``password='two words'``, ``"token": "x"``, ``api_key=x``; the quotes may be escaped, as in JSON within JSON.
_NAMED = re.compile(
    rf"((?<![A-Za-z0-9])(?:[A-Za-z0-9]*[-_.])?{_WORDS}\\?[\"']?\s*[:=]\s*)"
    r"(\\\"(?:[^\"\\]|\\[^\"])*\\\"|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"'\\,;&)}\]]+)",
    re.IGNORECASE,
)
#: Lengths and beginnings of the large issuers (ISO/IEC 7812): a number of milliseconds since 1970 isn't among them.
_CARD = re.compile(
    r"(?<![\d.-])(?:3[47]\d{2}[ -]?\d{6}[ -]?\d{5}|3[068]\d{2}[ -]?\d{6}[ -]?\d{4}"
    r"|(?:4\d|5[1-5]|2[2-7]|6\d)\d{2}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}(?:\d{3})?)(?![\d])"
)
#: What stands in every text that a pattern above fits: a cheap look, for log records are many and secrets few.
_SIGNS = (
    *("key", "pass", "secret", "token", "auth", "cred", "cookie", "pin", "cvc", "cvv"),
    *("h_", "whsec", "bearer", "basic", "://"),
)
_DIGITS = re.compile(r"\d{4}[ -]?\d{4}")
_DEEPEST = 100


@lru_cache(4096)
def is_secret_name(name: str) -> bool:
    """Return whether what stands under ``name`` is a secret by its name."""
    return bool(_NAME.search(name) or _NAME.search(_CAMEL.sub("_", name)))


def redact_text(text: str, values: Collection[str] = ()) -> str:
    """Return ``text`` without its secrets.

    Args:
        text: What is to be shown.
        values: More that is known to be secret, as it stands in the text.
    """
    for value in values:
        text = text.replace(value, MASK)
    lowered = text.lower()
    if any(sign in lowered for sign in _SIGNS):
        text = _redact_named(text)
    return _CARD.sub(_mask_card, text) if _DIGITS.search(text) else text


def _redact_named(text: str) -> str:
    text = _OURS.sub(MASK, text)
    text = _LOGIN.sub(rf"\1{MASK}@", text)
    text = _SCHEME.sub(rf"\1\2{MASK}", text)
    return _NAMED.sub(_mask_named, text)


def redact(value: Any, secret: Collection[str] = ()) -> Any:
    """Return a JSON value without its secrets; names and shape stay.

    Args:
        value: What is to be shown.
        secret: Names of fields, at any depth, that are secret whatever they are called.
    """
    return _redact(value, secret, guess=True, depth=0)


def redact_fields(value: Any, secret: Collection[str]) -> Any:
    """Return a JSON value without the fields named in ``secret``, at any depth; nothing is guessed."""
    return _redact(value, secret, guess=False, depth=0) if secret else value


def secret_texts(value: Any, secret: Collection[str]) -> list[str]:
    """Return what stands under the names in ``secret`` in a JSON value, as it may stand in a text; longest first.

    Below four characters it is left: taking it out would break words, and hide nothing.
    """
    found: list[str] = []
    _gather(value, secret, found, inside=False, depth=0)
    return sorted({text for text in found if len(text) >= 4}, key=lambda text: (-len(text), text))


def _redact(value: Any, secret: Collection[str], *, guess: bool, depth: int) -> Any:
    if depth > _DEEPEST:
        return MASK
    if isinstance(value, str):
        return redact_text(value) if guess else value
    if isinstance(value, Mapping):
        return {
            key: MASK
            if one is not None and (key in secret or (guess and not isinstance(one, bool) and is_secret_name(str(key))))
            else _redact(one, secret, guess=guess, depth=depth + 1)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redact(one, secret, guess=guess, depth=depth + 1) for one in value]
    return value


def _gather(value: Any, secret: Collection[str], found: list[str], *, inside: bool, depth: int) -> None:
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        for key, one in value.items():
            _gather(one, secret, found, inside=inside or key in secret, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            _gather(one, secret, found, inside=inside, depth=depth + 1)
    elif inside and isinstance(value, str | int | float) and not isinstance(value, bool):
        found.append(str(value))


def _mask_named(match: re.Match[str]) -> str:
    given = match[2]
    if given.lower() in ("bearer", "basic") or given in (MASK, MASK[:-1]):
        return match[0]  # what follows was masked before
    quote = next((sign for sign in ('\\"', '"', "'") if given.startswith(sign)), "")
    return f"{match[1]}{quote}{MASK}{quote}"


def _mask_card(match: re.Match[str]) -> str:
    digits = [int(sign) for sign in match[0] if sign.isdigit()]
    # Luhn (ISO/IEC 7812-1, annex B): every second digit from the right is doubled.
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return MASK if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else match[0]


__all__ = ["MASK", "is_secret_name", "redact", "redact_fields", "redact_text", "secret_texts"]
