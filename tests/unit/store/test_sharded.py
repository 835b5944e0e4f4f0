"""Nothing of one shard's is forgotten where there are several."""

from __future__ import annotations

import inspect

import pytest

from helperhub.broker.claimer import Claimer
from helperhub.broker.publishing import find_group
from helperhub.broker.settler import Settler
from helperhub.broker.sharded_worker import Claimers, Settlers
from helperhub.errors import ConfigurationError
from helperhub.settings import load_settings
from helperhub.store.executions import Executions
from helperhub.store.queues import Queues
from helperhub.store.scripts import Scripts
from helperhub.store.sharded_scripts import ShardedScripts
from helperhub.store.sharded_views import ShardedExecutions, ShardedQueues, ShardedWorkers
from helperhub.store.workers import Workers

#: What is shard 0's alone, or is only asked of one shard's own.
ONE_SHARD = {
    ShardedScripts: {
        *("agree", "claim", "sweep", "trim", "enter_due", "note_archived"),
        *("register", "plan", "count_planned", "due", "mark_plan", "hold_due", "drop_due", "swap_entry"),
        *("note_audit", "write_alerts", "restore", "undo", "unpurge", "save_view"),
    },
    ShardedExecutions: {"helper_names", "open_ids_of"},
    ShardedQueues: {"oldest_ended"},
    ShardedWorkers: set(),
    Claimers: {"prepare", "join", "begin_claiming", "ask_to_stop", "wake", "knows_time"},
    Settlers: set(),
}


def public(kind: type) -> set[str]:
    fields = getattr(kind, "__dataclass_fields__", {})
    return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_") and name not in fields}


@pytest.mark.parametrize(
    ("one", "several"),
    [
        (Scripts, ShardedScripts),
        (Executions, ShardedExecutions),
        (Queues, ShardedQueues),
        (Workers, ShardedWorkers),
        (Claimer, Claimers),
        (Settler, Settlers),
    ],
)
def test_several_shards_answer_whatever_one_does(one: type, several: type) -> None:
    own = {name for name in public(one) if name in vars(several)}

    assert public(one) - own == ONE_SHARD[several]


def test_queue_beyond_the_last_shard_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="HELPERHUB_QUEUES__RED__SHARD=3 must be below HELPERHUB_SHARDS=3"):
        load_settings([], {"HELPERHUB_SHARDS": "3", "HELPERHUB_QUEUES__RED__SHARD": "3"})


def test_group_is_found_behind_a_pipeline() -> None:
    last = {"options": {"group_completion_uuid": "g1"}}

    assert find_group({"pipe_target": {"options": {"pipe_target": last}}}) == "g1"
    assert find_group({"group_completion_uuid": "g2"}) == "g2"
    assert find_group({"pipe_target": {"options": {}}}) == ""
