"""What Redis answers, as the three errors that callers tell apart."""

from __future__ import annotations

import pytest
import redis

from helperhub.errors import ConfigurationError, StoreError, StoreForbidden, StoreRefused, StoreUnavailable
from helperhub.store.connection import build_client, store_errors

#: As redis-py raises them: where it has a class for an answer's code it cuts the code off.
PASSING = [
    redis.ConnectionError("Connection refused"),
    redis.TimeoutError("Timeout reading from socket"),
    redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
    redis.exceptions.ReadOnlyError("You can't write against a read only replica."),
    redis.exceptions.ClusterDownError("The cluster is down"),
    redis.exceptions.TryAgainError("Multiple keys request during rehashing of slot"),
    redis.exceptions.MasterDownError("Link with MASTER is down"),
    redis.ResponseError("BUSY Redis is busy running a script."),
    redis.ResponseError("NOREPLICAS Not enough good replicas to write."),
]
REFUSED = [
    redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
]
LASTING = [
    redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    redis.ResponseError("BUSYGROUP Consumer Group name already exists"),
    redis.exceptions.DataError("Invalid input of type"),
]
FORBIDDEN = [
    redis.AuthenticationError("WRONGPASS invalid username-password pair"),
    redis.exceptions.NoPermissionError("this user has no permissions to run the 'eval' command"),
    redis.ResponseError("ACL failure in script: User w has no permissions to run the 'set' command"),
]


def translated(error: Exception) -> StoreError:
    with pytest.raises(StoreError) as caught, store_errors():
        raise error
    return caught.value


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_answer_that_passes_by_itself_may_be_sent_again(error: Exception) -> None:
    """READONLY after a failover was taken for lasting: a worker dropped the outcomes it had in hand."""
    assert type(translated(error)) is StoreUnavailable


@pytest.mark.parametrize("error", REFUSED, ids=str)
def test_server_without_room_refuses(error: Exception) -> None:
    """Redis being out of memory was told as an unknown answer, without what to do about it."""
    assert type(translated(error)) is StoreRefused


@pytest.mark.parametrize("error", FORBIDDEN, ids=str)
def test_what_a_user_may_not_do_is_told_with_where_to_change_it(error: Exception) -> None:
    found = translated(error)

    assert type(found) is StoreForbidden
    assert "HELPERHUB_REDIS_URL" in found.hint


def test_answer_within_a_pipeline_counts_as_any_other_and_quotes_nobody() -> None:
    """redis-py puts the command before the answer: BUSY was taken for lasting, and the payload shown."""
    text = "Command # 1 (EVALSHA f3 1 {k} secret) of pipeline caused error: BUSY Redis is busy running a script."

    found = translated(redis.ResponseError(text))

    assert type(found) is StoreUnavailable
    assert "secret" not in str(found)


@pytest.mark.parametrize("error", LASTING, ids=str)
def test_any_other_answer_lasts(error: Exception) -> None:
    assert type(translated(error)) is StoreError


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(KeyError), store_errors():
        raise KeyError


def test_url_that_isnt_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="redis://host:6379/0"):
        build_client("http://localhost")
