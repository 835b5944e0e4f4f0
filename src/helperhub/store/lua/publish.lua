#!lua
-- Enqueue executions, each exactly once however often the call is sent.
-- Uses: record limits waiting
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {id, bound, record, delay ms, other id, other body, ms its unique key is held}
--          bound: the queue's largest depth, 0 = none; what its unique key is held: 0 = until it ends
--          record's CALL place: the token of this call, '' for keyed work: the same id is the same execution
-- Answer   array of codes: 1 enqueued, 0 already there; or {code, text}:
--          2 and the id: another execution has its unique key;
--          -1 and the depth: refused, the queue is full;
--          -2 and the id: refused, it belongs to another call (the caller takes another id, and signs for that);
--          -3 and the queue: refused, this Redis user may not enqueue into it
-- Invariant: an id is enqueued at most once; a refused call writes nothing of that execution.
-- Invariant: of executions with one unique key that aren't over, there is one.

-- What it means that there is something under the id already.
local function judge(id, raw)
  local call = read_constants(new_record(raw))[CALL]
  if call == '' then return 0 end
  local found = load_record(id)
  if found and read_constants(found)[CALL] == call then return 0 end
  return {-2, id}
end

-- Executions that wait in a queue: ready, delayed, to be run alone, parked, or under limits.
local depths = {}
local function find_depth(queue)
  if not depths[queue] then
    local depth = tonumber(redis.call('HGET', P .. ':count:' .. queue, 'parked') or 0)
    for _, set in ipairs({':ready:', ':delayed:', ':suspects:'}) do
      depth = depth + redis.call('ZCARD', P .. set .. queue)
    end
    depths[queue] = limits and depth + limits.depth_of(queue) or depth
  end
  return depths[queue]
end

local function publish(id, bound, raw, delay, unique_for)
  local _, _, _, priority, _, _, _, _, due, _, expires, _, _, _, helper, queue, overlap, limit_key, unique =
    struct.unpack(ALL, raw)
  local key = P .. ':x:' .. id
  if not may_enqueue(queue) then return {-3, queue} end
  if unique ~= '' then
    local holder = find_holder(helper, unique)
    if holder and holder ~= id then
      if redis.call('EXISTS', key) == 1 then return judge(id, raw) end
      return {2, holder}
    end
  end
  if bound > 0 then
    local depth = find_depth(queue)
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
  if unique ~= '' then hold_unique(id, helper, unique, unique_for) end
  admit(id, queue, priority, due, helper, overlap, limit_key, expires)
  if depths[queue] then depths[queue] = depths[queue] + 1 end
  return 1
end

local answer = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[1])) do answer[i] = publish(entry[1], entry[2], entry[3], entry[4], entry[7]) end
flush()
return answer
