#!lua flags=allow-oom
-- Record as expired what waits past its expiry in queues that nobody serves.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  queue
-- ARGV[2]  rank to begin at
-- ARGV[3]  how many to look at
-- Answer   {rank to go on at, or -1 at the end; how many expired}
local ready = P .. ':ready:' .. ARGV[1]
local start, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
if start == 0 then
  local promoted = promote_delayed(ARGV[1])
  if promoted > 0 then rings[ARGV[1]] = promoted end
end
local expired = 0
local function expire(id, rec)
  finish(id, rec, EXPIRED, 'not started before its expiry')
  expired = expired + 1
end
-- What waits under limits is known by its expiry: nothing else has to be looked at.
if limits and start == 0 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':expiring:' .. ARGV[1], '-inf', '(' .. now, 'LIMIT', 0, limit)) do
    local rec = load_record(id)
    if rec and limits.drop(id, rec) then expire(id, rec) else redis.call('ZREM', P .. ':expiring:' .. ARGV[1], id) end
  end
  if expired == limit then
    end_call()
    return {0, expired}
  end
end
local ids, gone = redis.call('ZRANGE', ready, start, start + limit - 1), 0
for _, id in ipairs(ids) do
  local rec = load_record(id)
  if rec and rec[EXPIRES] > 0 and rec[EXPIRES] < now and rec[DELIVERY] == 0 then
    redis.call('ZREM', ready, id)
    expire(id, rec)
    gone = gone + 1
  end
end
end_call()
return {#ids < limit and -1 or start + limit - gone, expired}
