#!lua flags=allow-oom
-- Write alerts together with what is to be told of them: also when Redis is full, for that is one of the causes.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  version that the caller read; '' = there was none
-- ARGV[2]  version that it becomes, a word by chance
-- ARGV[3]  msgpack array of {id, alert as JSON, or '' to take it out}
-- ARGV[4]  msgpack array of {id, what is to be told, signed}
-- Answer   1 done (also when the same call is sent again), 0 somebody else wrote meanwhile
-- Invariant: of two schedulers that saw the same, one writes: nothing is told twice, and what is written is told.
local alerts, notices = P .. ':alerts', P .. ':notices'
local version = redis.call('HGET', alerts, 'version') or ''
if version == ARGV[2] then return 1 end
if version ~= ARGV[1] then return 0 end
redis.call('HSET', alerts, 'version', ARGV[2])
for _, row in ipairs(cmsgpack.unpack(ARGV[3])) do
  if row[2] == '' then
    redis.call('HDEL', alerts, row[1])
  else
    redis.call('HSET', alerts, row[1], row[2])
  end
end
for _, row in ipairs(cmsgpack.unpack(ARGV[4])) do redis.call('HSET', notices, row[1], row[2]) end
return 1
