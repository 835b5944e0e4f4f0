#!lua flags=allow-oom
-- Change, make or drop a webhook, an API key or something that is to be told, unless somebody else changed it since the caller read it.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  'webhooks', 'apikeys' or 'notices'
-- ARGV[2]  id
-- ARGV[3]  what it was, as it was read; '' = there was none
-- ARGV[4]  what it is to be; '' = dropped
-- Answer   1 done (also when the same call is sent again), 0 it is something else
-- Invariant: what was dropped or disabled doesn't come back by a change that was read before that; of two that want
-- to tell the same themselves, one does.
local entries, id, before, after = P .. ':' .. ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local found = redis.call('HGET', entries, id) or ''
if found == after then return 1 end
if found ~= before then return 0 end
if after == '' then
  redis.call('HDEL', entries, id)
else
  redis.call('HSET', entries, id, after)
end
return 1
