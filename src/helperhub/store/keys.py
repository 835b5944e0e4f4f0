"""The only place that spells a Redis key.

Every key starts with one hash tag, ``{helperhub:<hub>:<shard>}``, written P below, so that all keys
of a shard live on one node and one script may touch any of them.

| key              | type   | content                                              | lifetime |
|------------------|--------|------------------------------------------------------|----------|
| P:clock          | string | last time any script saw, ms: time never runs back    | for ever |
| P:x:<id>         | string | one execution's packed record (see `record`)   | till trimmed; dead letters: cleared |
| P:ready:<queue>  | zset   | waiting ids by due + (priority - 1) x ageing step     | while anything waits |
| P:suspects:<queue>| zset  | waiting ids that are to run alone, scored as ready     | while any wait |
| P:draining       | string | worker that empties its hands to run a suspect alone  | 5 s |
| P:delayed:<queue>| zset   | priority digit + id by due ms                         | while anything is delayed |
| P:parked:<helper>| zset   | ids that wait for their helper's active ones, by due  | while any wait |
| P:rules          | hash   | limits, by what they are of; see `lua/rules.lua`       | while there are any |
| P:helpers:<queue>| zset   | helpers with limits of which one may start, scored as that in ready | while any may |
| P:keys:<queue>:<helper>| zset | their keys of which one may start, scored alike | while any may |
| P:limited:<queue>:<helper>:<key>| zset | ids that wait under a helper's limits, scored as in ready | while any wait |
| P:blocked:<queue>:<helper>| set | keys of which none may start now                     | while any wait |
| P:throttled:<queue>| zset | ``helper`` or ``helper:key`` by the ms when a rate lets one start | till then |
| P:expiring:<queue>| zset  | ids that wait under limits, by the ms when they expire | while any wait |
| P:waits:<helper> | hash   | queue to how many wait under the helper's limits       | while any wait |
| P:using:<helper> | hash   | id in hand to its key, where concurrency is limited    | while any run |
| P:perkey:<helper>| hash   | key to how many of it are in hand                      | while any run |
| P:inhand         | hash   | id in hand to its queue, where that or all is limited  | while any run |
| P:perqueue       | hash   | queue to how many of it are in hand                    | while any run |
| P:starts:<helper>| list   | last starts of a helper with a rate, ms, newest first  | the rate's window |
| P:starts:<helper>:<key>| list | the same of one key                                | the rate's window |
| P:active:<helper>| set    | ids queued, running or waiting, where overlap counts  | while any are active |
| P:unique:<helper>:<digest>| string | id of the execution that has a unique key    | till it ends, or unique_for |
| P:queues         | set    | names of all queues ever used                         | for ever |
| P:paused         | set    | queues and ``worker:<id>`` that claim nothing         | till resumed |
| P:workers        | zset   | worker processes by the ms their lease ends           | till they leave or are reaped |
| P:worker:<id>    | hash   | what a worker process says of itself                  | as its lease |
| P:lost           | zset   | worker processes that died, by when that was noticed, ms | the newest 100 |
| P:held:<id>      | hash   | executions in hand: id to the number of the claim     | as its lease |
| P:idle:<queue>   | zset   | workers to ring, by when they asked; the busy lowest  | till rung or reaped |
| P:bell:<id>      | list   | one entry rings that worker                           | 5 s |
| P:schedulers     | zset   | schedulers by when they were last heard of, ms        | for ever, pruned |
| P:stopped        | zset   | schedulers that were stopped, by when, ms: silent, but not lost | the newest 100 |
| P:count:<queue>  | hash   | counters: enqueued, one per final state, wait and run ms | for ever |
| P:times:<queue>  | hash   | attempts by how long they waited and ran, see `times`  | for ever |
| P:ended:<queue>:s| stream | finished ids, those of one call in one entry: the index by time | result lifetime |
| P:ended:<queue>:f| stream | finished ids, all others                              | HELPERHUB_HISTORY__KEEP_FAILURES |
| P:of:<helper>:s  | list   | ids of a helper's successes, newest first             | as the streams |
| P:of:<helper>:f  | list   | ids of its other ends, newest first                   | as the streams |
| P:dead           | zset   | dead letters by when they were given up               | till cleared |
| P:untold         | set    | dead letters that nobody has been told of yet         | till a scheduler did |
| P:uncalled       | set    | ended executions whose callback isn't enqueued yet    | till a scheduler did |
| P:unlisted       | set    | dead letters whose place in the index by time has ended | as these |
| P:synced         | string | written by calls that wait for disk or replicas       | for ever |
| P:history        | hash   | bytes held by finished records; complete_since_ms; how many went unarchived | for ever |
| P:archived       | hash   | ms up to which all is archived; when that was said; end of the audit's chain | for ever |
| P:attempts       | stream | errors that records had no room for, with their ids    | till archived; newest 1,000 |
| P:cancel         | set    | running ids that somebody asked to stop               | till they end |
| P:group:<id>     | hash   | a group that runs: its size, and an entry for each member done | 30 d after the last |
| P:progress:<id>  | string | last progress report, JSON                            | 1 h after the last word |
| P:log:<id>       | list   | last log lines of a running execution, JSON           | 1 h after the last word |
| P:shards         | string | how many shards the hub has, if not one               | for ever |
| P:meta           | hash   | schema that is written; newest that each scheduler knows | for ever |
| P:rev            | string | revision of catalogue and overrides                   | for ever |
| P:catalogue      | hash   | helper to its spec, JSON                              | till its plugin drops it |
| P:overrides      | hash   | helper to its override, JSON                          | till reset |
| P:planned        | hash   | helper to ``revision|planned until ms|enabled at ms`` | with the catalogue |
| P:plan           | zset   | helpers by their next due ms                          | while anything is planned |
| P:plan:<helper>  | zset   | slots (``[#schedule]@stamp``) by due ms               | till due |
| P:marks:<helper> | hash   | slot to what was decided, ``skip|move|done|held:due:why`` | till its time is past |
| P:apikeys        | hash   | id of an API key to what it may do and a digest, JSON | till revoked |
| P:apikeys:used   | hash   | id of an API key to when it was used last, ms         | with the key |
| P:audit          | stream | who did what, before and after, JSON                  | the newest 100,000 |
| P:alerts         | hash   | id of an alert to it, JSON; ``version`` of the last writing | resolved: 7 d |
| P:alertrules     | hash   | rule, or rule and subject, to the threshold that people set | till reset |
| P:notices        | hash   | id of a notification to it, signed JSON               | till enqueued or sent |
| P:plugins        | string | what the scheduler that registered last found installed, JSON | for ever |
| P:webhooks       | hash   | id of a webhook to what it starts and digests, JSON   | till deleted |
| P:session:<digest> | string | whose session in the dashboard it is, JSON             | 1 h after the last use |
| P:login:<digest> | string | whom a link signs in, JSON                             | 10 min, or till used |
| P:undo:<change>  | hash   | a change that can be undone: kind, whose, how far it is undone | 10 min |
| P:undorows:<change> | list | the executions that it changed, newest first; at most 100,000 | 10 min |
| P:apart:<id>     | string | the record of a deleted dead letter that is in no history any more | 10 min |
| P:views:<who>    | hash   | somebody's saved searches of executions, by name; at most 50 | 1 y after the last look |
| P:idempotency:<digest> | string | what a request under an Idempotency-Key came to | 24 h; under way: 1 min |

Catalogue, plan, revision, schedulers, API keys, sessions, audit, alerts, webhooks, saved searches and kept answers
live in shard 0 only; worker processes are registered in each.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SHARD = 0


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one shard.

    Args:
        hub: The hub's name.
        shard: The shard's number.
    """

    hub: str
    shard: int = DEFAULT_SHARD

    @property
    def prefix(self) -> str:
        """The hash tag that every key of the shard starts with."""
        return f"{{helperhub:{self.hub}:{self.shard}}}"

    def at(self, *parts: str) -> str:
        """Return the key with these parts, such as ``at("ready", "default")``."""
        return ":".join((self.prefix, *parts))

    def record(self, execution_id: str) -> str:
        """Return the key of an execution's record."""
        return f"{self.prefix}:x:{execution_id}"
