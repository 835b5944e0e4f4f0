#!lua
-- Enqueue executions, each exactly once however often the call is sent.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {id, bound, record, delay ms}
--          bound: the queue's largest depth, 0 = none
--          record's CALL place: the token of this call, '' for keyed work: the same id is the same execution
-- Answer   array of {code, id or depth}: 1 enqueued, 0 already there, -1 refused: the queue is full,
--          -2 refused: the id belongs to another call (the caller takes another id, and signs for that),
--          -3 refused: this Redis user may not enqueue into that queue
-- Invariant: an id is enqueued at most once; a refused call writes nothing of that execution.
local answer = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, bound, rec, delay = entry[1], entry[2], entry[3], entry[4]
  local found = load_record(id)
  if not may_enqueue(rec[QUEUE]) then
    answer[i] = {-3, rec[QUEUE]}
  elseif found ~= nil and rec[CALL] ~= '' and not (found and found[CALL] == rec[CALL]) then
    answer[i] = {-2, id}
  elseif found ~= nil then
    answer[i] = {0, id}
  else
    local depth = 0
    if bound > 0 then
      depth = redis.call('ZCARD', P .. ':ready:' .. rec[QUEUE]) + redis.call('ZCARD', P .. ':delayed:' .. rec[QUEUE])
    end
    if bound > 0 and depth >= bound then
      answer[i] = {-1, tostring(depth)}
    else
      if rec[DUE] < 1 then rec[DUE] = now + delay end
      enqueue(id, rec)
      answer[i] = {1, id}
    end
  end
end
flush()
return answer
