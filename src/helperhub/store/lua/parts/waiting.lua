-- Where executions wait until they are claimed.

-- In a queue ordered by deadline, what never expires stands so long behind its due time, ms: ten years.
local NO_DEADLINE = 10 * 365 * 86400000

-- How urgent an execution is in its queue: the lowest goes first.
local function score_of(queue, priority, due, expires)
  if limits and limits.by_deadline(queue) then return expires > 0 and expires or due + NO_DEADLINE end
  return due + (priority - 1) * AGEING_STEP
end

-- Put an execution that is to wait where it belongs: with the delayed ones until it is due, in the ready set, or
-- under its helper's limits.
local function place(id, queue, priority, due, lost, helper, key, expires, delivery)
  if due > now then
    local delayed = P .. ':delayed:' .. queue
    redis.call('ZADD', delayed, due, priority .. id)
    -- Whoever sleeps until the next due time must learn that there is an earlier one.
    if redis.call('ZRANGE', delayed, 0, 0)[1] == priority .. id then rings[queue] = (rings[queue] or 0) + 1 end
  else
    local score = score_of(queue, priority, due, expires)
    if limits and lost == 0 and limits.is_limited(helper) then
      if not limits.hold(id, queue, helper, key, score, expires, delivery) then return end
    else
      -- What died with its process is a suspect: it waits apart, to be run alone.
      local set = lost > 0 and ':suspects:' or ':ready:'
      redis.call('ZADD', P .. set .. queue, score, id)
    end
    rings[queue] = (rings[queue] or 0) + 1
  end
end

-- Let an execution that is there already wait.
local function make_wait(id, rec)
  if limits and rec[STATUS] == RUNNING then limits.leave(id, rec) end
  rec[STATUS] = QUEUED
  save_record(id, rec)
  place(id, rec[QUEUE], rec[PRIORITY], rec[DUE], rec[LOST], rec[HELPER], rec[KEY], rec[EXPIRES], rec[DELIVERY])
end

-- Where a helper's unique key holds the id of the execution that has it.
local function find_place(helper, unique) return P .. ':unique:' .. helper .. ':' .. redis.sha1hex(unique) end

-- The execution that has a unique key, or nil. With a lifetime the key is held whatever became of that execution;
-- without one until it ends, and a record that was lost or damaged must not block the key for ever.
local function find_holder(helper, unique)
  local place = find_place(helper, unique)
  local id = redis.call('GET', place)
  if not id then return nil end
  if redis.call('PTTL', place) >= 0 then return id end
  local rec = load_record(id)
  if rec and rec[FINISHED] == 0 and rec[UNIQUE] == unique and rec[HELPER] == helper then return id end
end

-- Give a unique key to an execution, for so many ms or, with 0, until it ends.
local function hold_unique(id, helper, unique, ms)
  if ms > 0 then
    redis.call('SET', find_place(helper, unique), id, 'PX', ms)
  else
    redis.call('SET', find_place(helper, unique), id)
  end
end

-- Let go of the unique key of an execution that has ended, unless it is held for a time.
local function release_unique(id, rec)
  local place = find_place(rec[HELPER], rec[UNIQUE])
  if redis.pcall('GET', place) == id and redis.call('PTTL', place) < 0 then redis.call('DEL', place) end
end

-- The due time and the expiry of a new execution, from what its caller gave.
local function find_times(due, expires)
  due = due < 1 and now or math.min(due, FAR)
  -- Below 0 it counts from the due time.
  return due, expires < 0 and math.min(due - expires, FAR) or expires
end

-- Bring in a new execution whose record is written.
local function admit(id, queue, priority, due, helper, overlap, key, expires)
  if overlap ~= '' then redis.call('SADD', P .. ':active:' .. helper, id) end
  count(queue, 'enqueued')
  place(id, queue, priority, due, 0, helper, key, expires, 0)
end

-- Bring a new execution in.
local function enqueue(id, rec)
  rec[STATUS], rec[ENQUEUED] = QUEUED, now
  rec[DUE], rec[EXPIRES] = find_times(rec[DUE], rec[EXPIRES])
  save_record(id, rec)
  admit(id, rec[QUEUE], rec[PRIORITY], rec[DUE], rec[HELPER], rec[OVERLAP], rec[KEY], rec[EXPIRES])
end

-- Take an execution that waits out of wherever it waits.
local function unqueue(id, rec)
  redis.call('ZREM', P .. ':ready:' .. rec[QUEUE], id)
  redis.call('ZREM', P .. ':suspects:' .. rec[QUEUE], id)
  redis.call('ZREM', P .. ':delayed:' .. rec[QUEUE], rec[PRIORITY] .. id)
  if limits then limits.drop(id, rec) end
  if redis.call('ZREM', P .. ':parked:' .. rec[HELPER], id) == 1 then count(rec[QUEUE], 'parked', -1) end
end

-- Make ready what was delayed and is due now, up to a thousand; return how many. Claims put what is limited where it
-- belongs.
local function promote_delayed(queue)
  local delayed = P .. ':delayed:' .. queue
  local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1000)
  for i = 1, #due, 2 do
    local priority, id = tonumber(string.sub(due[i], 1, 1)), string.sub(due[i], 2)
    redis.call('ZREM', delayed, due[i])
    local expires = limits and limits.by_deadline(queue) and (load_record(id) or {})[EXPIRES] or 0
    redis.call('ZADD', P .. ':ready:' .. queue, score_of(queue, priority, tonumber(due[i + 1]), expires), id)
  end
  return #due / 2
end
