#!lua
-- Enter due times in the plan; entering them twice changes nothing.
-- Uses: record limits waiting ending plan
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {helper, state the planner has read, planned until ms, oldest stamp worth a mark,
--          {slot, due ms, slot, due ms, ...}, records of missed times: {id, record, status, reason}, ...}
-- Answer   array of due times added per helper; -1 = the state has moved on, nothing was entered
-- Invariant: only the planner that saw the present state writes; what is marked or recorded isn't planned again.
local answer = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local helper, slots = entry[1], entry[5]
  local state = redis.call('HGET', P .. ':planned', helper)
  if state ~= entry[2] then
    answer[i] = -1
  else
    local plan, marks = P .. ':plan:' .. helper, P .. ':marks:' .. helper
    local added = 0
    for j = 1, #slots, 2 do
      local slot, due = slots[j], slots[j + 1]
      local mark = redis.call('HGET', marks, slot)
      local moved = mark and string.match(mark, '^move:(%d+):')
      if (not mark or moved) and redis.call('EXISTS', P .. ':x:' .. helper .. slot) == 0 then
        added = added + redis.call('ZADD', plan, 'NX', moved or due, slot)
      end
    end
    for _, missed in ipairs(entry[6]) do
      if load_record(missed[1]) == nil then
        finish(missed[1], new_record(missed[2]), missed[3], missed[4])
      end
    end
    local marked = redis.call('HGETALL', marks)
    if marked[1] then redis.call('PERSIST', marks) end
    for j = 1, #marked, 2 do
      local slot, moved = marked[j], tonumber(string.match(marked[j + 1], '^move:(%d+):'))
      if not redis.call('ZSCORE', plan, slot) then
        if moved and moved > now and redis.call('EXISTS', P .. ':x:' .. helper .. slot) == 0 then
          -- Disabling took it out, and its planned time may be past: nothing else brings it back.
          added = added + redis.call('ZADD', plan, moved, slot)
        elseif string.sub(slot, -16) < entry[4] then
          redis.call('HDEL', marks, slot)
        end
      end
    end
    local rev, enabled_at = string.match(state, '^(%d+)|%d+|(%d+)$')
    redis.call('HSET', P .. ':planned', helper, rev .. '|' .. string.format('%d', entry[3]) .. '|' .. enabled_at)
    refresh_plan(helper)
    answer[i] = added
  end
end
end_call()
return answer
