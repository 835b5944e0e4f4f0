"""Every error HelperHub raises on purpose.

    HelperHubError                  code "error"                exit code 1
    |-- UsageError                  code "usage"                2   the caller's words are off
    |   |-- InvalidSchedule         code "invalid_schedule"     2   a schedule can't be understood
    |   |-- InvalidHelper           code "invalid_helper"       2   a helper's declaration is wrong
    |   |-- InvalidPayload          code "invalid_payload"      2   a payload doesn't fit its helper
    |   |-- TooLarge                code "too_large"            2   payload over its size limit
    |   `-- UnsupportedMedia        code "unsupported_media"    2   a body of a type that isn't taken
    |-- NotFound                    code "not_found"            3   nothing has that name or id
    |-- Conflict                    code "conflict"             1   the state forbids it (already final, disabled)
    |   `-- Outdated                code "outdated"             1   it was changed since the caller looked
    |-- Unauthenticated             code "unauthenticated"      1   nobody knows who asks
    |   `-- SignInNeeded            code "sign_in_needed"       1   a person has no session, or it has ended
    |-- Forbidden                   code "forbidden"            1   who asks may not do this
    |-- TooMany                     code "too_many"             1   he asks too often
    |-- QueueFull                   code "queue_full"           1   a bounded queue refuses
    |-- StoreError                  code "store"                69  Redis answered with an error
    |   |-- StoreUnavailable        code "store_unavailable"    69  Redis can't be reached, or not yet
    |   |-- StoreRefused            code "store_refused"        69  Redis has no room for new work, or no disk
    |   |-- StoreForbidden          code "store_forbidden"      69  Redis doesn't let this user in, or not do this
    |   |-- NewerSchema             code "newer_schema"         78  a newer release has taken over the hub's keys
    |   `-- CorruptRecord           code "corrupt_record"       69  a value in Redis can't be decoded
    |       `-- UntrustedRecord     code "untrusted_record"     69  its signature or encryption isn't right
    |-- ArchiveError                code "archive"              69  the archive's database answered with an error
    |   |-- ArchiveUnavailable      code "archive_unavailable"  69  it can't be reached
    |   `-- ArchiveTooSlow          code "archive_too_slow"     69  it was asked for too much at once
    |-- ConfigurationError          code "configuration"        78  settings, plugins or versions don't fit
    |-- BadBackup                   code "bad_backup"            1  a backup's file can't be used
    `-- ServerStartError            code "server_start"         69  the embedded server didn't start

Exit codes above 63 follow ``sysexits.h``: 69 EX_UNAVAILABLE, 78 EX_CONFIG.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ArchiveError",
    "ArchiveTooSlow",
    "ArchiveUnavailable",
    "BadBackup",
    "ConfigurationError",
    "Conflict",
    "CorruptRecord",
    "Forbidden",
    "HelperHubError",
    "InvalidHelper",
    "InvalidPayload",
    "InvalidSchedule",
    "NewerSchema",
    "NotFound",
    "Outdated",
    "QueueFull",
    "ServerStartError",
    "SignInNeeded",
    "StoreError",
    "StoreForbidden",
    "StoreRefused",
    "StoreUnavailable",
    "TooLarge",
    "TooMany",
    "Unauthenticated",
    "UnsupportedMedia",
    "UntrustedRecord",
    "UsageError",
]


class HelperHubError(Exception):
    """Root of all errors that HelperHub raises on purpose.

    Args:
        message: What happened and why, with the value and its place.
        hint: What to do about it; empty when the message says it all.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep ``message`` and ``hint`` apart, so that each face can lay them out."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, followed by the hint if there is one."""
        return f"{self.message} {self.hint}" if self.hint else self.message


class UsageError(HelperHubError):
    """The caller's words are off."""

    code = "usage"
    exit_code = 2


class Inapplicable(UsageError):
    """The words are right, but not for that helper, or not at this time."""

    code = "inapplicable"


class NoSuchPage(UsageError):
    """A cursor names no page of that list."""

    code = "no_such_page"

    def __init__(self, message: str = "That is no cursor of this list.", *, hint: str = "") -> None:
        """Say so, and what to give."""
        super().__init__(message, hint=hint or "Give the 'next_cursor' of the page before as it stands.")


class InvalidSchedule(UsageError):
    """A schedule can't be understood."""

    code = "invalid_schedule"


class InvalidHelper(UsageError):
    """A helper's declaration is wrong."""

    code = "invalid_helper"


class InvalidPayload(UsageError):
    """A payload doesn't fit the model its helper declares, or isn't JSON."""

    code = "invalid_payload"


class TooLarge(UsageError):
    """A payload is over the size limit."""

    code = "too_large"


class UnsupportedMedia(UsageError):
    """A body is of a type that isn't taken."""

    code = "unsupported_media"


class NotFound(HelperHubError):
    """Nothing has that name or id."""

    code = "not_found"
    exit_code = 3


class Conflict(HelperHubError):
    """The state of things forbids what was asked."""

    code = "conflict"


class Outdated(Conflict):
    """What was to be changed was changed since the caller looked at it."""

    code = "outdated"


class Unauthenticated(HelperHubError):
    """Nobody knows who asks: there is no key, or none that is valid."""

    code = "unauthenticated"


class SignInNeeded(Unauthenticated):
    """A person has no session in the dashboard, or it has ended."""

    code = "sign_in_needed"


class Forbidden(HelperHubError):
    """Who asks is known, and may not do this."""

    code = "forbidden"


class TooMany(HelperHubError):
    """Somebody asks too often.

    Args:
        message: What happened.
        hint: What to do.
        retry_after_s: When to ask again, seconds from now.
    """

    code = "too_many"

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float = 1.0) -> None:
        """Keep when to ask again."""
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class QueueFull(HelperHubError):
    """A queue with a bound is full; of one call some may have been enqueued, as the hint says.

    Args:
        message: What happened, with the depth.
        hint: How many of this call went in, and what to do.
        queue: The queue.
        depth: Executions that wait in it: ready, delayed, parked, or to be run alone.
        bound: Most that may.
    """

    code = "queue_full"

    def __init__(self, message: str, *, hint: str = "", queue: str = "", depth: int = 0, bound: int = 0) -> None:
        """Keep the figures for who decides by them."""
        super().__init__(message, hint=hint)
        self.queue, self.depth, self.bound = queue, depth, bound


class StoreError(HelperHubError):
    """Redis answered with an error."""

    code = "store"
    exit_code = 69


class StoreUnavailable(StoreError):
    """Redis can't be reached, or isn't ready yet; the same call may work later."""

    code = "store_unavailable"


class StoreRefused(StoreError):
    """Redis refuses new work: memory is short, or it can't persist; the same call may work later."""

    code = "store_refused"


class StoreForbidden(StoreError):
    """Redis refuses the login, or this user may not do this; somebody must change that."""

    code = "store_forbidden"


class NewerSchema(StoreError):
    """A newer release has taken over the hub's keys: this one would misread them, and does nothing."""

    code = "newer_schema"
    exit_code = 78


class CorruptRecord(StoreError):
    """A value in Redis can't be decoded."""

    code = "corrupt_record"


class UntrustedRecord(CorruptRecord):
    """A value in Redis wasn't signed, or not for what it stands for, or can't be decrypted."""

    code = "untrusted_record"


class ArchiveError(HelperHubError):
    """The archive's database answered with an error."""

    code = "archive"
    exit_code = 69


class ArchiveUnavailable(ArchiveError):
    """The archive's database can't be reached; the same call may work later."""

    code = "archive_unavailable"


class ArchiveTooSlow(ArchiveError):
    """The archive's database gave up on a question that took too long; it is there for others."""

    code = "archive_too_slow"


class ConfigurationError(HelperHubError):
    """Settings, plugins or versions don't fit together; nothing was started."""

    code = "configuration"
    exit_code = 78


class ServerStartError(HelperHubError):
    """The embedded server didn't start."""

    code = "server_start"
    exit_code = 69


class BadBackup(HelperHubError):
    """A backup's file is damaged, isn't one, or is of another hub or release; nothing was written."""

    code = "bad_backup"
