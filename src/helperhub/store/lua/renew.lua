#!lua flags=allow-oom
-- Renew the leases of living worker processes.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  lease, ms
-- ARGV[2..] worker processes' ids
-- Answer   the ids that have no lease any more: their work was handed out again
local lost = {}
for i = 2, #ARGV do
  if redis.call('ZSCORE', P .. ':workers', ARGV[i]) then
    redis.call('ZADD', P .. ':workers', now + ARGV[1], ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
