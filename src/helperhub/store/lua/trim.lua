#!lua flags=allow-oom
-- End the history's oldest part: records with their places in the indexes. Dead letters stay.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  queue
-- ARGV[2]  s (successes) or f (all others)
-- ARGV[3]  ms they are kept
-- ARGV[4]  how many at most in this call
-- ARGV[5]  bytes the history may take, 0 = not bounded: the oldest go even before their time
-- Answer   how many were ended
local stream = P .. ':ended:' .. ARGV[1] .. ':' .. ARGV[2]
local cutoff, limit, bound = now - ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local bytes = tonumber(redis.call('HGET', P .. ':history', 'bytes') or 0)
local ended, forced = 0, 0
for _, entry in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', limit)) do
  local at = tonumber(string.match(entry[1], '^(%d+)'))
  local over = bound > 0 and bytes + history_bytes > bound
  if at >= cutoff and not over then break end
  if at >= cutoff then forced = at end
  local id = entry[2][2]
  if redis.call('ZSCORE', P .. ':dead', id) then
    redis.call('SADD', P .. ':unlisted', id)
  else
    forget(id, load_record(id), ARGV[2])
  end
  redis.call('XDEL', stream, entry[1])
  ended = ended + 1
end
if redis.call('XLEN', stream) == 0 then redis.call('DEL', stream) end
if forced > tonumber(redis.call('HGET', P .. ':history', 'complete_since_ms') or 0) then
  redis.call('HSET', P .. ':history', 'complete_since_ms', forced)
end
flush()
return ended
