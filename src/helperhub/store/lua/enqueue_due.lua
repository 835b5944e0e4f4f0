#!lua
-- Move due times from the plan to where they belong: ready, parked behind their helper's active one, or recorded.
-- Uses: record limits waiting ending plan
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {helper, slot, due ms the scheduler has seen, record, status ('q' or a final one), reason}
-- ARGV[2]  held = they are held in the plan of another shard, whose scheduler drops them there afterwards
-- Answer   array of codes: 1 enqueued, 2 parked, 3 recorded, 0 another scheduler was first
-- Invariant: taking the slot out of the plan is what wins, so each planned time has one outcome.
local held = ARGV[2] == 'held'
local answer = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local helper, slot, rec = entry[1], entry[2], new_record(entry[4])
  local id = helper .. slot
  local seen = not held and redis.call('ZSCORE', P .. ':plan:' .. helper, slot)
  if not held and (not seen or tonumber(seen) ~= entry[3]) then
    answer[i] = 0
  else
    if not held then
      redis.call('ZREM', P .. ':plan:' .. helper, slot)
      refresh_plan(helper)
      local mark = redis.call('HGET', P .. ':marks:' .. helper, slot)
      if mark and string.sub(mark, 1, 5) == 'move:' then
        -- Its planned time may still be to come: it must not be planned again even when its record is gone.
        redis.call('HSET', P .. ':marks:' .. helper, slot, 'done:' .. string.sub(mark, 6))
      end
    end
    local blocker = rec[OVERLAP] ~= '' and find_active(helper)
    if load_record(id) ~= nil then
      answer[i] = 0
    elseif entry[5] ~= QUEUED then
      finish(id, rec, entry[5], entry[6])
      answer[i] = 3
    elseif rec[OVERLAP] == 's' and blocker then
      rec[OVERLAP] = ''
      finish(id, rec, SKIPPED, 'overlap: blocked by ' .. blocker)
      answer[i] = 3
    elseif rec[OVERLAP] == 'q' and blocker then
      rec[ENQUEUED] = now
      rec[STATUS] = QUEUED
      rec[REASON] = 'overlap: waits for ' .. blocker
      save_record(id, rec)
      count(rec[QUEUE], 'enqueued')
      count(rec[QUEUE], 'parked')
      redis.call('ZADD', P .. ':parked:' .. helper, rec[DUE], id)
      answer[i] = 2
    else
      rec[REASON] = entry[6]
      enqueue(id, rec)
      answer[i] = 1
    end
  end
end
end_call()
return answer
