#!lua flags=allow-oom
-- Hold due times while they are entered in another shard, or drop them from the plan once they are.
-- Uses: plan
-- KEYS[1]  the prefix of shard 0, where the plan is
-- ARGV[1]  hold or drop
-- ARGV[2]  msgpack array of {helper, slot, due ms the scheduler has seen}
-- Answer   array of codes: 1 held or dropped, 0 it isn't due at that time any more
-- Invariant: what is held can't be skipped or moved by a person, so it has one outcome: that of the other shard.
-- Invariant: a held due time stays in the plan, so that any scheduler goes on where one died.
local answer = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[2])) do
  local helper, slot = entry[1], entry[2]
  local plan, marks = P .. ':plan:' .. helper, P .. ':marks:' .. helper
  local due = redis.call('ZSCORE', plan, slot)
  local mark = redis.call('HGET', marks, slot) or ''
  local was = string.match(mark, '^held:%d+:(.*)$')
  if not due or tonumber(due) ~= entry[3] then
    answer[i] = 0
  elseif ARGV[1] == 'hold' then
    if not was then redis.call('HSET', marks, slot, 'held:' .. string.format('%d', entry[3]) .. ':' .. mark) end
    answer[i] = 1
  else
    redis.call('ZREM', plan, slot)
    refresh_plan(helper)
    if was and string.sub(was, 1, 5) == 'move:' then
      -- Its planned time may still be to come: it must not be planned again.
      redis.call('HSET', marks, slot, 'done:' .. string.sub(was, 6))
    elseif was then
      redis.call('HDEL', marks, slot)
    end
    answer[i] = 1
  end
end
return answer
