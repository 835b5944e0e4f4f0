#!lua flags=allow-oom
-- End the history's oldest part: records with their places in the indexes. Dead letters stay.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  queue
-- ARGV[2]  s (successes) or f (all others)
-- ARGV[3]  ms they are kept
-- ARGV[4]  how many in this call; those that stand in one entry of the history go together, so it may be a few more
-- ARGV[5]  bytes the history may take, 0 = not bounded: the oldest go even before their time
-- ARGV[6]  held = what an archiver hasn't taken over yet stays, unless it takes more than these bytes
-- Answer   how many were ended; fewer than ARGV[4] means that no more are to go
local stream = P .. ':ended:' .. ARGV[1] .. ':' .. ARGV[2]
local cutoff, limit, bound = now - ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local bytes = tonumber(redis.call('HGET', P .. ':history', 'bytes') or 0)
local archived = ARGV[6] == 'held' and tonumber(redis.call('HGET', P .. ':archived', 'until') or false)
local ended, forced, unarchived = 0, 0, 0

-- End the executions of one entry of the stream; false where it is too young to go.
local function trim(entry)
  local at = tonumber(string.match(entry[1], '^(%d+)'))
  local missing = archived and at >= archived
  if at >= cutoff or missing then
    if bound == 0 or bytes + history_bytes <= bound then return false end
    forced = at
  end
  for id in string.gmatch(entry[2][2], '%Z+') do
    if redis.call('ZSCORE', P .. ':dead', id) then
      redis.call('SADD', P .. ':unlisted', id)
    else
      forget(id, load_record(id), ARGV[2])
    end
    ended = ended + 1
    if missing then unarchived = unarchived + 1 end
  end
  redis.call('XDEL', stream, entry[1])
  return true
end

local going = true
while going and ended < limit do
  local entries = redis.call('XRANGE', stream, '-', '+', 'COUNT', math.max(1, math.floor((limit - ended) / AT_ONCE)))
  going = #entries > 0
  for _, entry in ipairs(entries) do going = going and trim(entry) end
end
if redis.call('XLEN', stream) == 0 then redis.call('DEL', stream) end
if forced > tonumber(redis.call('HGET', P .. ':history', 'complete_since_ms') or 0) then
  redis.call('HSET', P .. ':history', 'complete_since_ms', forced)
end
if unarchived > 0 then redis.call('HINCRBY', P .. ':history', 'unarchived', unarchived) end
end_call()
return ended
