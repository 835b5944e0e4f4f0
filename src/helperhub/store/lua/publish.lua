#!lua
-- Enqueue executions, each exactly once however often the call is sent.
-- Uses: record limits waiting
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {id, bound, record, delay ms}
--          bound: the queue's largest depth, 0 = none
--          record's CALL place: the token of this call, '' for keyed work: the same id is the same execution
-- Answer   array of codes: 1 enqueued, 0 already there; or {code, text}:
--          -1 and the depth: refused, the queue is full;
--          -2 and the id: refused, it belongs to another call (the caller takes another id, and signs for that);
--          -3 and the queue: refused, this Redis user may not enqueue into it
-- Invariant: an id is enqueued at most once; a refused call writes nothing of that execution.

-- What it means that there is something under the id already.
local function judge(id, raw)
  local call = read_constants(new_record(raw))[CALL]
  if call == '' then return 0 end
  local found = load_record(id)
  if found and read_constants(found)[CALL] == call then return 0 end
  return {-2, id}
end

local function publish(id, bound, raw, delay)
  local _, _, _, priority, _, _, _, _, due, _, expires, _, _, _, helper, queue, overlap, limit_key =
    struct.unpack(ALL, raw)
  local key = P .. ':x:' .. id
  if not may_enqueue(queue) then return {-3, queue} end
  if bound > 0 then
    local depth = redis.call('ZCARD', P .. ':ready:' .. queue) + redis.call('ZCARD', P .. ':delayed:' .. queue)
    if limits then depth = depth + limits.depth_of(queue) end
    if depth >= bound then
      if redis.call('EXISTS', key) == 1 then return judge(id, raw) end
      return {-1, tostring(depth)}
    end
  end
  due, expires = find_times(due < 1 and now + delay or due, expires)
  local times = struct.pack('<I6I6i6', due, now, expires)
  if not redis.call('SET', key, string.sub(raw, 1, 20) .. times .. string.sub(raw, 39), 'NX') then
    return judge(id, raw)
  end
  admit(id, queue, priority, due, helper, overlap, limit_key, expires)
  return 1
end

local answer = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[1])) do answer[i] = publish(entry[1], entry[2], entry[3], entry[4]) end
flush()
return answer
