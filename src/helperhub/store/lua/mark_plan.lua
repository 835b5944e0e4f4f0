#!lua
-- Carry out what a person decided about one planned time.
-- Uses: record limits waiting ending plan
-- KEYS[1]  the shard's prefix
-- ARGV[1]  helper
-- ARGV[2]  slot
-- ARGV[3]  skip, move or run
-- ARGV[4]  new due ms for move
-- ARGV[5]  reason
-- ARGV[6]  record, for the history when it is skipped
-- Answer   due ms it has now (0 = skipped), or -1 when it isn't planned (any more)
-- Invariant: the mark outlives replanning, disabling and enabling.
local helper, slot, action = ARGV[1], ARGV[2], ARGV[3]
local plan, marks = P .. ':plan:' .. helper, P .. ':marks:' .. helper
if not redis.call('ZSCORE', plan, slot) then
  -- The same decision, sent again after its reply was lost, gets the same answer.
  local was, at, why = string.match(redis.call('HGET', marks, slot) or '', '^(%l+):(%d+):(.*)$')
  if why == ARGV[5] and was == (action == 'skip' and 'skip' or 'done') then return tonumber(at) end
  return -1
end
-- It is on its way to another shard: due, and out of people's hands.
if string.sub(redis.call('HGET', marks, slot) or '', 1, 5) == 'held:' then return -1 end
local due = 0
if action == 'skip' then
  redis.call('ZREM', plan, slot)
  redis.call('HSET', marks, slot, 'skip:0:' .. ARGV[5])
  -- One that has a record already keeps it: it may be waiting, or in hand.
  if load_record(helper .. slot) == nil then
    finish(helper .. slot, new_record(ARGV[6]), SKIPPED, ARGV[5])
  end
else
  due = action == 'run' and now or tonumber(ARGV[4])
  redis.call('ZADD', plan, due, slot)
  redis.call('HSET', marks, slot, 'move:' .. string.format('%d', due) .. ':' .. ARGV[5])
end
refresh_plan(helper)
end_call()
return due
