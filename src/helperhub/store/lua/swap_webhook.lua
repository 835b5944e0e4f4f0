#!lua flags=allow-oom
-- Change, make or drop a webhook, unless somebody else changed it since the caller read it.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  id
-- ARGV[2]  what it was, as it was read; '' = there was none
-- ARGV[3]  what it is to be; '' = dropped
-- Answer   1 done (also when the same call is sent again), 0 it is something else
-- Invariant: a webhook that was dropped or disabled doesn't come back by a change that was read before that.
local webhooks, id, before, after = P .. ':webhooks', ARGV[1], ARGV[2], ARGV[3]
local found = redis.call('HGET', webhooks, id) or ''
if found == after then return 1 end
if found ~= before then return 0 end
if after == '' then
  redis.call('HDEL', webhooks, id)
else
  redis.call('HSET', webhooks, id, after)
end
return 1
