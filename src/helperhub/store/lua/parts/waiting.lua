-- Where executions wait until they are claimed.

-- Put an execution that is to wait where it belongs: in the ready set, or with the delayed ones until it is due.
local function place(id, queue, priority, due, lost)
  if due > now then
    local delayed = P .. ':delayed:' .. queue
    redis.call('ZADD', delayed, due, priority .. id)
    -- Whoever sleeps until the next due time must learn that there is an earlier one.
    if redis.call('ZRANGE', delayed, 0, 0)[1] == priority .. id then rings[queue] = (rings[queue] or 0) + 1 end
  else
    -- What died with its process is a suspect: it waits apart, to be run alone.
    local set = lost > 0 and ':suspects:' or ':ready:'
    redis.call('ZADD', P .. set .. queue, due + (priority - 1) * AGEING_STEP, id)
    rings[queue] = (rings[queue] or 0) + 1
  end
end

-- Let an execution that is there already wait.
local function make_wait(id, rec)
  rec[STATUS] = QUEUED
  save_record(id, rec)
  place(id, rec[QUEUE], rec[PRIORITY], rec[DUE], rec[LOST])
end

-- The due time and the expiry of a new execution, from what its caller gave.
local function find_times(due, expires)
  due = due < 1 and now or math.min(due, FAR)
  -- Below 0 it counts from the due time.
  return due, expires < 0 and math.min(due - expires, FAR) or expires
end

-- Bring in a new execution whose record is written.
local function admit(id, queue, priority, due, helper, overlap)
  if overlap ~= '' then redis.call('SADD', P .. ':active:' .. helper, id) end
  count(queue, 'enqueued')
  place(id, queue, priority, due, 0)
end

-- Bring a new execution in.
local function enqueue(id, rec)
  rec[STATUS], rec[ENQUEUED] = QUEUED, now
  rec[DUE], rec[EXPIRES] = find_times(rec[DUE], rec[EXPIRES])
  save_record(id, rec)
  admit(id, rec[QUEUE], rec[PRIORITY], rec[DUE], rec[HELPER], rec[OVERLAP])
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
