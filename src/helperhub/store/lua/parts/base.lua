-- KEYS[1] is the shard's prefix, P of keys.py. All other keys are made from it, so all share its hash tag.
local P = KEYS[1]
-- One step of ageing, ms: priority 5 waits at most four steps longer than priority 1.
local AGEING_STEP = 60000

-- Redis TIME in ms; never less than any script of this shard has seen.
local function read_clock()
  local t = redis.call('TIME')
  local ms = t[1] * 1000 + math.floor(t[2] / 1000)
  local last = tonumber(redis.call('GET', P .. ':clock') or 0)
  if ms > last then
    redis.call('SET', P .. ':clock', string.format('%d', ms))
    return ms
  end
  return last
end
local now = read_clock()

-- What a newer release writes, an older one's scripts would take for damage: they do nothing at all.
local written_schema = tonumber(redis.call('HGET', P .. ':meta', 'schema') or 0)
if written_schema > KNOWN_SCHEMA then
  return redis.error_reply('NEWERSCHEMA ' .. string.format('%d', written_schema) .. ' is above ' .. KNOWN_SCHEMA)
end

-- Whether the caller's Redis user may put work into a queue. A script that is refused halfway leaves half of its
-- changes: what the rules of `doctor --acl` keep from some users is asked for before the first.
local permitted = {}
local function may_enqueue(queue)
  local known = permitted[queue]
  if known == nil then
    known = redis.acl_check_cmd('ZADD', P .. ':ready:' .. queue, '0', 'id')
    permitted[queue] = known
  end
  return known
end

-- The text of what pcall caught: Redis raises tables, Lua texts.
local function error_text(raised)
  return type(raised) == 'table' and raised.err or tostring(raised)
end

local counts = {}
local function count(queue, what, by)
  local of = counts[queue]
  if not of then of = {}; counts[queue] = of end
  of[what] = (of[what] or 0) + (by or 1)
end
local rings = {}
local history_bytes = 0
-- What the part of this name gives; nil where a script doesn't use it, or the hub has no rules.
local limits

-- Write what was gathered: counters, history's size, and one bell for each execution that can start.
local function flush()
  if limits then limits.release() end
  for queue, of in pairs(counts) do
    redis.call('SADD', P .. ':queues', queue)
    for what, by in pairs(of) do redis.call('HINCRBY', P .. ':count:' .. queue, what, by) end
  end
  if history_bytes ~= 0 then redis.call('HINCRBY', P .. ':history', 'bytes', history_bytes) end
  for queue, n in pairs(rings) do
    -- The one that asked last is the likeliest to be alive.
    local woken = redis.call('ZPOPMAX', P .. ':idle:' .. queue, n)
    for i = 1, #woken, 2 do
      local bell = P .. ':bell:' .. woken[i]
      redis.call('LPUSH', bell, '1')
      redis.call('PEXPIRE', bell, 5000)
    end
  end
end
