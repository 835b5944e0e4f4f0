#!lua flags=allow-oom
-- Carry out verdicts: queue, record, history and counters change together, or not at all.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  worker process's id
-- ARGV[2]  msgpack array of {id, claim number, outcome, started ms, delay ms, reason, result, error,
--          follow-ups: array of publish entries, group: {id, member, ms it is kept, publish entries} or {},
--          1 = if it is given up, whoever wants to know has been told}
-- Answer   array of codes: 1 carried out, 0 stale (not this worker's claim any more; nothing changed),
--          or the error's text where a key that it needs holds something else: then it is a dead letter
-- Invariant: a verdict is carried out only under the claim that it was made under, and once.
local worker = ARGV[1]
local held = P .. ':held:' .. worker
local some_cancelled = redis.call('EXISTS', P .. ':cancel') == 1
-- Ids that are out of hand with this call.
local out = {}
-- How many attempts waited and ran so long, by queue: field is waited's bucket x 32 + ran's (`store.times` has the
-- same steps). One field for both, so that a batch of alike attempts costs one command.
local STEPS = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 900000, 3600000}
local times = {}
local function bucket(ms)
  for i = 1, #STEPS do
    if ms <= STEPS[i] then return i - 1 end
  end
  return #STEPS
end
-- Count one start; written out, for it is in the way of every attempt.
local function count_start(queue, waited, ran)
  count(queue, 'started')
  local sums, of = counts[queue], times[queue]
  sums.wait_ms = (sums.wait_ms or 0) + waited
  sums.run_ms = (sums.run_ms or 0) + ran
  if not of then of = {}; times[queue] = of end
  local field = bucket(waited) * 32 + bucket(ran)
  of[field] = (of[field] or 0) + 1
end
-- The default `RetryPolicy`, ms.
local OVERRUN_BACKOFF, MAX_OVERRUN_BACKOFF = 15000, 3600000

-- Enqueue what follows from a verdict. An id that belongs to another call gives way to the entry's other id.
local function enqueue_follow_ups(entries)
  for _, entry in ipairs(entries) do
    local id, rec, delay, other, other_body = entry[1], new_record(entry[3]), entry[4], entry[5], entry[6]
    if load_record(id) ~= nil and other ~= '' then
      id = other
      if other_body ~= '' then replace_body(rec, other_body) end
    end
    local unique = rec[UNIQUE]
    local is_held = unique ~= '' and find_holder(rec[HELPER], unique)
    if load_record(id) == nil and not is_held and may_enqueue(rec[QUEUE]) then
      rec[DUE] = now + delay
      if unique ~= '' then hold_unique(id, rec[HELPER], unique, entry[7]) end
      enqueue(id, rec)
    end
  end
end

-- Whether the caller's Redis user may enqueue what follows; why not is added to the reason.
local function check_follow_ups(v)
  for _, entries in ipairs({v[9], v[10][4] or {}}) do
    for _, entry in ipairs(entries) do
      local queue = new_record(entry[3])[QUEUE]
      if not may_enqueue(queue) then
        v[6] = v[6] .. " (not followed: this Redis user may not enqueue into '" .. queue .. "')"
        return
      end
    end
  end
end

-- Count a group's member as done; the last one enqueues what waits for all, and the group is forgotten.
local function complete_member(group)
  if not group[1] then return end
  local key = P .. ':group:' .. group[1]
  -- The outcome is carried out by now: a key of another type must not stop the script here.
  local size = redis.pcall('HGET', key, 'size')
  size = type(size) == 'string' and tonumber(size)
  if not size then return end
  redis.call('HSET', key, 'm:' .. group[2], '')
  if redis.call('HLEN', key) > size then
    redis.call('DEL', key)
    enqueue_follow_ups(group[4])
  else
    redis.call('PEXPIRE', key, group[3])
  end
end

-- Carry out a verdict; `claimed` is the number of the claim under which this worker has it in hand, if it has.
local function settle(v, claimed)
  local id, outcome = v[1], v[3]
  local rec = load_record(id)
  if claimed ~= v[2] then return 0 end
  if not rec then
    redis.call('HDEL', held, id)
    redis.call('SREM', P .. ':cancel', id)
    if rec == false then quarantine(id) end
    return 0
  end
  if rec[STATUS] ~= RUNNING then return 0 end
  out[#out + 1] = id
  if v[9][1] or v[10][1] then check_follow_ups(v) end
  local cancelled = some_cancelled and redis.call('SREM', P .. ':cancel', id) == 1
  if outcome == 'returned' then
    rec[DELIVERY] = rec[DELIVERY] - 1
    if v[5] > 0 then rec[DUE] = math.min(now + v[5], FAR) end
    rec[REASON] = v[6]
    if cancelled then finish(id, rec, CANCELLED, 'cancelled') else make_wait(id, rec) end
    return 1
  end
  if v[4] > 0 then
    rec[STARTED] = v[4]
    count_start(rec[QUEUE], math.max(0, v[4] - rec[DUE]), math.max(0, now - v[4]))
  end
  if outcome == 'interrupted' and not cancelled then
    rec[REASON] = v[6]
    make_wait(id, rec)
    return 1
  end
  add_error(id, rec, v[8])
  rec[LOST] = 0
  if outcome == 'overrun' then
    -- Its process was killed: nobody there could decide any more.
    add_own_error(id, rec, 'HardTimeLimitExceeded', v[6])
    outcome = rec[ATTEMPT] < rec[MAX_ATTEMPTS] and 'retry' or 'dead'
    v[5] = math.min(OVERRUN_BACKOFF * 2 ^ math.min(rec[ATTEMPT] - 1, 20), MAX_OVERRUN_BACKOFF)
  end
  if outcome == 'done' then
    rec[RESULT] = v[7]
    finish(id, rec, SUCCESS, v[6])
  elseif outcome == 'retry' and not cancelled then
    rec[ATTEMPT] = rec[ATTEMPT] + 1
    rec[DUE] = math.min(now + v[5], FAR)
    rec[REASON] = v[6]
    count(rec[QUEUE], 'retried')
    make_wait(id, rec)
  elseif outcome == 'expired' then
    finish(id, rec, EXPIRED, v[6])
  elseif outcome == 'skipped' then
    finish(id, rec, SKIPPED, v[6])
  elseif outcome == 'cancelled' or cancelled then
    finish(id, rec, CANCELLED, v[6])
    return 1
  else
    finish(id, rec, ERROR, v[6])
    if v[11] == 1 then redis.call('SREM', P .. ':untold', id) end
  end
  enqueue_follow_ups(v[9])
  if outcome == 'done' then complete_member(v[10]) end
  return 1
end

local verdicts = cmsgpack.unpack(ARGV[2])
if #verdicts == 0 then return {} end
local ids = {}
for i, v in ipairs(verdicts) do ids[i] = v[1] end
local claims = redis.call('HMGET', held, unpack(ids))

local answer = {}
local function fail(i, why)
  answer[i] = "its verdict can't be recorded: " .. why
  redis.call('HDEL', held, ids[i])
  set_aside(ids[i], answer[i])
end
for i, v in ipairs(verdicts) do
  -- One that can't be carried out must not take its neighbours' counts and bells with it.
  local ok, code = pcall(settle, v, claims[i])
  if ok then answer[i] = code else fail(i, error_text(code)) end
end
if #out > 0 then redis.call('HDEL', held, unpack(out)) end
local failed = write_history()
for i, id in ipairs(ids) do
  if failed[id] and answer[i] == 1 then fail(i, failed[id]) end
end
for queue, of in pairs(times) do
  -- A key of another type must not cost the counts below.
  for field, by in pairs(of) do redis.pcall('HINCRBY', P .. ':times:' .. queue, field, by) end
end
flush()
return answer
