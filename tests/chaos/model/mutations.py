"""Ways to break the scripts: each takes one rule out by replacing a piece of a script's text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from helperhub.store import scripts


@dataclass(frozen=True, slots=True)
class Mutation:
    """One rule taken out.

    Args:
        name: What is broken.
        script: The script that is changed; a part of scripts changes all that use it.
        old: A piece of its text, there exactly once.
        new: What stands there instead.
        focus: The state machine's rules that it takes to notice, where all of them together would take long.
    """

    name: str
    script: str
    old: str
    new: str
    focus: str = ""


MUTATIONS = [
    Mutation(
        "settle doesn't check the token",
        "settle",
        "if claimed ~= v[2] then return 0 end",
        "",
        focus="publish_some claim settle die_while_all_it_holds_runs_and_start_again",
    ),
    Mutation(
        "settle carries a verdict out twice",
        "settle",
        "if #out > 0 then redis.call('HDEL', held, unpack(out)) end",
        "",
        focus="publish_some claim settle",
    ),
    Mutation(
        "settle leaves the execution in hand",
        "settle",
        "out[#out + 1] = id\n",
        "\n",
        focus="publish_some claim settle",
    ),
    Mutation(
        "settle forgets that it was to be cancelled",
        "settle",
        "local cancelled = some_cancelled and redis.call('SREM', P .. ':cancel', id) == 1",
        "local cancelled = false; redis.call('SREM', P .. ':cancel', id)",
        focus="publish_some claim cancel settle",
    ),
    Mutation(
        "settle enqueues a follow-up that is there already",
        "settle",
        "if load_record(id) == nil and not is_held and may_enqueue(rec[QUEUE]) then",
        "if true then",
        focus="publish_some claim_and_settle",
    ),
    Mutation(
        "a unique key is had by two",
        "publish",
        "if holder and holder ~= id then",
        "if false then",
        focus="publish",
    ),
    Mutation(
        "an execution that has ended keeps its unique key",
        "ending",
        "  if rec[UNIQUE] ~= '' then release_unique(id, rec) end\n  if rec[OVERLAP]",
        "  if rec[OVERLAP]",
        focus="publish cancel claim_and_settle",
    ),
    Mutation(
        "a group is begun again",
        "open_group",
        "if redis.call('HSETNX', key, 'size', ARGV[2]) == 0 then return 0 end",
        "redis.call('HSET', key, 'size', ARGV[2])",
        focus="open_group",
    ),
    Mutation(
        "the last member of a group enqueues nothing",
        "settle",
        "    enqueue_follow_ups(group[4])\n",
        "",
        focus="publish_some claim open_group settle_members",
    ),
    Mutation(
        "a member that failed counts as done",
        "settle",
        "if outcome == 'done' then complete_member(v[10]) end",
        "complete_member(v[10])",
        focus="publish_some claim open_group settle_members",
    ),
    Mutation(
        "a member counts each time it is done",
        "settle",
        "redis.call('HSET', key, 'm:' .. group[2], '')",
        "redis.call('HSET', key, 'm:' .. group[2] .. v[1], '')",
        focus="publish_some claim open_group settle_members",
    ),
    Mutation(
        "a claim sent again is made again",
        "claim",
        "if last[1] == seq then",
        "if false then",
        focus="publish_some claim claim_again_with_the_same_number",
    ),
    Mutation(
        "a claim sent again gives back what was settled since",
        "claim",
        "if redis.call('HGET', held, id) == seq and load_record(id) then",
        "if load_record(id) then",
        focus="publish_some claim settle claim_again_with_the_same_number",
    ),
    Mutation("claim doesn't count a delivery", "claim", "RUNNING, delivery + 1)", "RUNNING, delivery)"),
    Mutation(
        "expiry strikes what was handed out before",
        "claim",
        "expires < now and delivery == 0",
        "expires < now",
        focus="publish_some claim settle advance",
    ),
    Mutation("a worker without a lease may claim", "claim", "then return {-1} end", "then local _ = 1 end"),
    Mutation(
        "publish enqueues an id that is there already",
        "publish",
        "string.sub(raw, 39), 'NX') then",
        "string.sub(raw, 39)) then",
    ),
    Mutation(
        "publish takes one call for another",
        "publish",
        "if found and read_constants(found)[CALL] == call then return 0 end",
        "if true then return 0 end",
        focus="publish publish_some",
    ),
    Mutation("time may run backwards", "base", "if ms > last then", "if true then"),
    Mutation(
        "priority doesn't matter",
        "waiting",
        "return due + (priority - 1) * AGEING_STEP",
        "return due",
    ),
    Mutation(
        "what was delayed is never due",
        "waiting",
        "redis.call('ZREM', delayed, due[i])\n",
        "if true then return 0 end\n",
        focus="publish claim advance",
    ),
    Mutation(
        "an end releases nothing that waits behind it",
        "ending",
        "    release_parked(rec[HELPER])\n",
        "    local _ = 1\n",
        focus="due_times_come claim_and_settle",
    ),
    Mutation(
        "reap leaves the claims of the dead",
        "reap",
        "redis.call('DEL', P .. ':held:' .. worker, ",
        "redis.call('DEL', ",
        focus="publish_some claim die_while_all_it_holds_runs_and_start_again",
    ),
    Mutation(
        "reap gives nothing up",
        "reap",
        "if rec[LOST] > DEATHS_ALONE then",
        "if false then",
        focus="publish_some claim die_while_all_it_holds_runs_and_start_again",
    ),
    Mutation(
        "reap suspects what hadn't started",
        "reap",
        "not suspects or is_suspect[id] or false",
        "true",
        focus="publish_some claim join reap",
    ),
    Mutation(
        "a suspect waits beside others",
        "waiting",
        "local set = lost > 0 and ':suspects:' or ':ready:'",
        "local set = ':ready:'",
        focus="publish_some claim die_while_all_it_holds_runs_and_start_again",
    ),
    Mutation(
        "a worker with a suspect in hand takes more",
        "claim",
        "if last[3] and redis.call('HEXISTS', held, last[3]) == 1 then return false end",
        "",
        focus="publish_some claim die_while_all_it_holds_runs_and_start_again",
    ),
    Mutation("reap takes a lease that isn't over", "reap", "':workers', '-inf', now,", "':workers', '-inf', '+inf',"),
    Mutation(
        "a lost lease can be renewed", "renew", "if redis.call('ZSCORE', P .. ':workers', ARGV[i]) then", "if true then"
    ),
    Mutation("what is cancelled still waits", "cancel", "    unqueue(id, rec)\n    rows", "    rows"),
    Mutation("replay brings back what has no end", "replay", "elseif found[FINISHED] == 0 then", "elseif false then"),
    Mutation(
        "a dead letter is replayed twice",
        "replay",
        "if found[STATUS] == ERROR and before then",
        "if false then",
        focus="publish_some claim_and_settle replay",
    ),
    Mutation(
        "trim takes dead letters",
        "trim",
        "if redis.call('ZSCORE', P .. ':dead', id) then",
        "if false then",
        focus="publish_some claim_and_settle sweep_trim_or_purge",
    ),
    Mutation(
        "two schedulers enqueue one due time",
        "enqueue_due",
        "if not held and (not seen or tonumber(seen) ~= entry[3]) then",
        "if false then",
    ),
    Mutation(
        "overlap doesn't matter",
        "enqueue_due",
        "rec[OVERLAP] ~= '' and find_active(helper)",
        "false",
        focus="enter_due_times due_times_come",
    ),
    Mutation(
        "a planner with an old view plans",
        "plan",
        "if state ~= entry[2] then",
        "if not state then",
        focus="register enter_due_times",
    ),
    Mutation(
        "what has a record is planned again",
        "plan",
        "(not mark or moved) and redis.call('EXISTS', P .. ':x:' .. helper .. slot) == 0 then",
        "(not mark or moved) then",
        focus="enter_due_times due_times_come",
    ),
    Mutation(
        "what was skipped by hand is planned again",
        "plan",
        "if (not mark or moved) and",
        "if",
        focus="enter_due_times mark_plan end_the_history",
    ),
]


@contextmanager
def mutated(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run changed scripts for the length of the block."""
    original = scripts.load_script.__wrapped__

    def load_script(name: str) -> str:
        text: str = original(name)
        part = (scripts.LUA / "parts" / f"{mutation.script}.lua").is_file()
        if mutation.script != name and not (part and mutation.old in text):
            return text
        if text.count(mutation.old) != 1:
            pytest.fail(f"{mutation.script}.lua has no longer {mutation.old!r}: change the mutation")
        return text.replace(mutation.old, mutation.new)

    # Both are looked up in the module by every call, and both keep what they have made.
    with monkeypatch.context() as patch:
        patch.setattr(scripts, "load_script", load_script)
        scripts._digest.cache_clear()
        try:
            yield
        finally:
            scripts._digest.cache_clear()
