#!lua flags=allow-oom
-- Take something that is to be told into one's own hands, or out when it was told.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  id
-- ARGV[2]  what it was, as it was read
-- ARGV[3]  what it is to be; '' = it is told
-- Answer   1 done (also when the same call is sent again), 0 it is something else by now
-- Invariant: of two that want to tell it themselves, one does.
local notices, id, before, after = P .. ':notices', ARGV[1], ARGV[2], ARGV[3]
local found = redis.call('HGET', notices, id) or ''
if found == after then return 1 end
if found ~= before then return 0 end
if after == '' then
  redis.call('HDEL', notices, id)
else
  redis.call('HSET', notices, id, after)
end
return 1
