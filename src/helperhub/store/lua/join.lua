#!lua flags=allow-oom
-- Register a worker process and give it its first lease.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  worker process's id
-- ARGV[2]  lease, ms
-- ARGV[3..] name, value, ...: what it says of itself
-- Answer   now ms
redis.call('ZADD', P .. ':workers', now + ARGV[2], ARGV[1])
local about = {P .. ':worker:' .. ARGV[1], 'joined_at', now}
for i = 3, #ARGV do about[#about + 1] = ARGV[i] end
redis.call('HSET', unpack(about))
return now
