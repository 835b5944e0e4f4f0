#!lua
-- Enqueue again what a purge has cancelled, as new executions; those that the purge cancelled first come first.
-- Uses: record limits waiting ending undo
-- KEYS[1]  the shard's prefix
-- ARGV[1]  id of the change
-- ARGV[2]  rows that were left when the caller read the last ones
-- ARGV[3]  how many rows this call is of
-- ARGV[4]  msgpack array of {old id, new id, new record}; rows that aren't among them can't be enqueued. What waited
--          behind its helper's active one, as its reason says, does so again where there is one
-- Answer   as that of undo; if others were undone meanwhile, nothing is done and the number of rows tells
-- Invariant: of each row at most one execution comes.
local id, taken = ARGV[1], tonumber(ARGV[3])
local list = P .. ':undorows:' .. id
if redis.call('EXISTS', P .. ':undo:' .. id) == 0 then return false end
local before, undone = begin_undo(id), 0
if redis.call('LLEN', list) ~= tonumber(ARGV[2]) then return end_undo(id, 0, 0, before) end

local function enqueue_again(old, new, rec)
  local was = load_record(old)
  if not was or was[STATUS] ~= CANCELLED or not may_enqueue(rec[QUEUE]) then return false end
  local helper = rec[HELPER]
  if rec[UNIQUE] ~= '' then
    -- Somebody else has had the key since.
    if find_holder(helper, rec[UNIQUE]) then return false end
    hold_unique(new, helper, rec[UNIQUE], 0)
  end
  local blocker = is_parked(rec) and find_active(helper)
  rec[STATUS], rec[ENQUEUED], rec[REASON] = QUEUED, now, ''
  count(rec[QUEUE], 'enqueued')
  if blocker then
    rec[REASON] = 'overlap: waits for ' .. blocker
    save_record(new, rec)
    count(rec[QUEUE], 'parked')
    redis.call('ZADD', P .. ':parked:' .. helper, rec[DUE], new)
  else
    if rec[OVERLAP] ~= '' then redis.call('SADD', P .. ':active:' .. helper, new) end
    make_wait(new, rec)
  end
  return true
end

for _, entry in ipairs(cmsgpack.unpack(ARGV[4])) do
  if enqueue_again(entry[1], entry[2], new_record(entry[3])) then undone = undone + 1 end
end
local answer = end_undo(id, taken, undone, before)
end_call()
return answer
