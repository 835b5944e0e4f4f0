-- Shared by every script; scripts.py puts it behind the shebang line.
-- KEYS[1] is the shard's prefix, P of keys.py. All other keys are made from it, so all share its hash tag.
local P = KEYS[1]

-- A record is one packed value: the format version (one byte), then a msgpack array with these places.
-- Places are only ever added at the end; a script writes back the whole array, so unknown places survive.
local FORMAT = '\1'
local STATUS, HELPER, QUEUE, PRIORITY, PLANNED, DUE, ENQUEUED, STARTED, FINISHED, EXPIRES = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local ATTEMPT, MAX_ATTEMPTS, DELIVERY, TOKEN, REASON, TRIGGER, REPLAY_OF, BODY, RESULT, ERRORS = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
local METADATA, CALL, OVERLAP, COUNT, LOST = 21, 22, 23, 24, 25
local QUEUED, RUNNING, WAITING = 'q', 'r', 'w'
local SUCCESS, ERROR, EXPIRED, CANCELLED, SKIPPED = 's', 'e', 'x', 'c', 'k'
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

-- Whether these places hold numbers, or texts. No loop: it runs for every record, and takes half the time so.
local function are_numbers(a, b, c, d, e, f)
  local type, n = type, 'number'
  return type(a) == n and type(b) == n and type(c) == n and type(d) == n and type(e) == n and type(f) == n
end

local function are_texts(a, b, c, d, e, f)
  local type, s = type, 'string'
  return type(a) == s and type(b) == s and type(c) == s and type(d) == s and type(e) == s and type(f) == s
end

-- A script that stops halfway leaves half of its changes: what its steps rely on is checked before the first.
local function is_record(rec)
  return type(rec) == 'table' and type(rec[ERRORS]) == 'table'
    and are_numbers(rec[PRIORITY], rec[PLANNED], rec[DUE], rec[ENQUEUED], rec[STARTED], rec[FINISHED])
    and are_numbers(rec[EXPIRES], rec[ATTEMPT], rec[MAX_ATTEMPTS], rec[DELIVERY], rec[COUNT], rec[LOST])
    and are_texts(rec[STATUS], rec[HELPER], rec[QUEUE], rec[TOKEN], rec[REASON], rec[TRIGGER])
    and are_texts(rec[REPLAY_OF], rec[BODY], rec[RESULT], rec[METADATA], rec[CALL], rec[OVERLAP])
end

-- The record of an id, or nil when there is none; a value that can't be read is reported as false.
local function load_record(id)
  local raw = redis.pcall('GET', P .. ':x:' .. id)
  if type(raw) == 'table' then return false end
  if not raw then return nil end
  if string.sub(raw, 1, 1) ~= FORMAT then return false end
  local ok, rec = pcall(cmsgpack.unpack, string.sub(raw, 2))
  return ok and is_record(rec) and rec
end

-- Whether the caller's Redis user may put work into a queue. A script that is refused halfway leaves half of its
-- changes: what the rules of `doctor --acl` keep from some users is asked for before the first.
local permitted = {}
local function may_enqueue(queue)
  if permitted[queue] == nil then
    permitted[queue] = redis.acl_check_cmd('ZADD', P .. ':ready:' .. queue, '0', 'id')
  end
  return permitted[queue]
end

local function save_record(id, rec)
  local raw = FORMAT .. cmsgpack.pack(rec)
  redis.call('SET', P .. ':x:' .. id, raw)
  return raw
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

-- Let an execution wait: in the ready set, or with the delayed ones until it is due.
local function make_wait(id, rec)
  rec[STATUS] = QUEUED
  rec[TOKEN] = ''
  save_record(id, rec)
  local queue, priority = rec[QUEUE], rec[PRIORITY]
  if rec[DUE] > now then
    local delayed = P .. ':delayed:' .. queue
    redis.call('ZADD', delayed, rec[DUE], priority .. id)
    -- Whoever sleeps until the next due time must learn that there is an earlier one.
    if redis.call('ZRANGE', delayed, 0, 0)[1] == priority .. id then rings[queue] = (rings[queue] or 0) + 1 end
  else
    -- What died with its process is a suspect: it waits apart, to be run alone.
    local set = rec[LOST] > 0 and ':suspects:' or ':ready:'
    redis.call('ZADD', P .. set .. queue, rec[DUE] + (priority - 1) * AGEING_STEP, id)
    rings[queue] = (rings[queue] or 0) + 1
  end
end

-- Keep an attempt's error, JSON: the first and the last two tell the story, the rest only costs memory.
local function add_error(rec, text)
  if text == '' then return end
  local errors = rec[ERRORS]
  if #errors >= 3 then errors[2] = errors[3]; errors[3] = text else errors[#errors + 1] = text end
end

-- The same for what no Python code could say any more; the letters are those of `pack_error`.
local function add_own_error(rec, kind, text)
  add_error(rec, cjson.encode({t = kind, m = text, b = '', a = rec[ATTEMPT], d = now}))
end

-- Bring a new execution in.
local function enqueue(id, rec)
  rec[ENQUEUED] = now
  if rec[DUE] < 1 then rec[DUE] = now end
  -- Below 0 it counts from the due time.
  if rec[EXPIRES] < 0 then rec[EXPIRES] = rec[DUE] - rec[EXPIRES] end
  if rec[OVERLAP] ~= '' then redis.call('SADD', P .. ':active:' .. rec[HELPER], id) end
  count(rec[QUEUE], 'enqueued')
  make_wait(id, rec)
end

-- Set an execution aside whose record can't be read: it costs its neighbours nothing, and keeps its bytes.
local function quarantine(id, queue)
  redis.call('ZADD', P .. ':dead', now, id)
  redis.call('SADD', P .. ':untold', id)
  if queue then
    count(queue, ERROR)
    count(queue, 'ended')
  end
end

-- One of a helper's active executions, or nil. One whose record was lost or damaged must not block it for ever.
local function find_active(helper)
  local active = P .. ':active:' .. helper
  local id = redis.call('SRANDMEMBER', active)
  while id do
    local rec = load_record(id)
    if rec and rec[FINISHED] == 0 then return id end
    redis.call('SREM', active, id)
    id = redis.call('SRANDMEMBER', active)
  end
end

-- The next parked execution of a helper takes the place that became free.
local function release_parked(helper)
  local parked = P .. ':parked:' .. helper
  if redis.call('EXISTS', parked) == 0 or find_active(helper) then return end
  local popped = redis.call('ZPOPMIN', parked)
  while popped[1] do
    local rec = load_record(popped[1])
    if rec and not may_enqueue(rec[QUEUE]) then
      redis.call('ZADD', parked, popped[2], popped[1])
      return
    end
    if rec and rec[STATUS] == QUEUED then
      redis.call('SADD', P .. ':active:' .. helper, popped[1])
      count(rec[QUEUE], 'parked', -1)
      make_wait(popped[1], rec)
      return
    end
    if rec == false then quarantine(popped[1]) end
    popped = redis.call('ZPOPMIN', parked)
  end
end

-- Ids that this call gave their final state, counted.
local finished = {}

-- Give an execution its one final state, and enter it in the history.
local function finish(id, rec, status, reason)
  rec[STATUS] = status
  rec[REASON] = reason
  rec[FINISHED] = now
  rec[TOKEN] = ''
  history_bytes = history_bytes + #save_record(id, rec)
  local kind = status == SUCCESS and 's' or 'f'
  redis.call('XADD', P .. ':ended:' .. rec[QUEUE] .. ':' .. kind, '*', 'i', id)
  redis.call('LPUSH', P .. ':of:' .. rec[HELPER] .. ':' .. kind, id)
  if status == ERROR then
    redis.call('ZADD', P .. ':dead', now, id)
    redis.call('SADD', P .. ':untold', id)
  end
  count(rec[QUEUE], status)
  if rec[ENQUEUED] > 0 then count(rec[QUEUE], 'ended') end
  finished[id] = true
  if rec[OVERLAP] ~= '' then
    redis.call('SREM', P .. ':active:' .. rec[HELPER], id)
    release_parked(rec[HELPER])
  end
end

-- Take an execution that waits out of wherever it waits.
local function unqueue(id, rec)
  redis.call('ZREM', P .. ':ready:' .. rec[QUEUE], id)
  redis.call('ZREM', P .. ':suspects:' .. rec[QUEUE], id)
  redis.call('ZREM', P .. ':delayed:' .. rec[QUEUE], rec[PRIORITY] .. id)
  if redis.call('ZREM', P .. ':parked:' .. rec[HELPER], id) == 1 then count(rec[QUEUE], 'parked', -1) end
end

-- Make ready what was delayed and is due now, up to a thousand; return how many.
local function promote_delayed(queue)
  local delayed = P .. ':delayed:' .. queue
  local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1000)
  for i = 1, #due, 2 do
    local priority, id = tonumber(string.sub(due[i], 1, 1)), string.sub(due[i], 2)
    redis.call('ZREM', delayed, due[i])
    redis.call('ZADD', P .. ':ready:' .. queue, due[i + 1] + (priority - 1) * AGEING_STEP, id)
  end
  return #due / 2
end

-- End a finished execution's record, and its place among its helper's.
local function forget(id, rec, kind)
  local key = P .. ':x:' .. id
  if rec then
    redis.call('LREM', P .. ':of:' .. rec[HELPER] .. ':' .. kind, -1, id)
    history_bytes = history_bytes - redis.call('STRLEN', key)
  end
  redis.call('DEL', key)
end

-- Set the helper's place in the plan to its next due time.
local function refresh_plan(helper)
  local first = redis.call('ZRANGE', P .. ':plan:' .. helper, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', P .. ':plan', first[2], helper)
  else
    redis.call('ZREM', P .. ':plan', helper)
  end
end

-- Write what was gathered: counters, history's size, and one bell for each execution that can start.
local function flush()
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
