#!lua flags=allow-oom
-- Empty a queue: what waits in it is recorded as cancelled. Never touches the dead letters.
-- Uses: record limits waiting ending undo
-- KEYS[1]  the shard's prefix
-- ARGV[1]  queue
-- ARGV[2]  how many at most in this call
-- ARGV[3]  reason
-- ARGV[4]  the change, for undoing it; '' = it isn't undone
-- Answer   how many were cancelled; fewer than ARGV[2] means the queue is empty
local queue, limit = ARGV[1], tonumber(ARGV[2])
local purged, rows = 0, {}
local function cancel(id)
  local rec = load_record(id)
  if rec then
    rows[#rows + 1] = purge_row(id, rec)
    finish(id, rec, CANCELLED, ARGV[3])
  elseif rec == false then
    quarantine(id, queue)
  end
  purged = purged + 1
end
local function purge(key, from)
  local popped = redis.call('ZPOPMIN', key, limit - purged)
  for i = 1, #popped, 2 do cancel(string.sub(popped[i], from)) end
end
-- What ends may release a parked execution into the same queue: that goes too.
repeat
  local before = purged
  purge(P .. ':ready:' .. queue, 1)
  if purged < limit then purge(P .. ':suspects:' .. queue, 1) end
  if limits and purged < limit then
    for _, id in ipairs(limits.pop_any(queue, limit - purged)) do cancel(id) end
  end
  if purged < limit then purge(P .. ':delayed:' .. queue, 2) end
until purged == before or purged == limit
rings[queue] = nil
note_undo(ARGV[4], rows)
end_call()
return purged
