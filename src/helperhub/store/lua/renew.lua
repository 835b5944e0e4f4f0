#!lua flags=allow-oom
-- Renew the leases of living worker processes, and note what their keeper sees of them.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  lease, ms
-- ARGV[2..] worker process's id, what is seen of it (see `workers.Seen`; '' = nothing), ...
-- Answer   the ids that have no lease any more: their work was handed out again
local lost = {}
for i = 2, #ARGV, 2 do
  if redis.call('ZSCORE', P .. ':workers', ARGV[i]) then
    redis.call('ZADD', P .. ':workers', now + ARGV[1], ARGV[i])
    if ARGV[i + 1] ~= '' then
      redis.call('HSET', P .. ':worker:' .. ARGV[i], 'seen', ARGV[i + 1], 'seen_at', now)
    end
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
