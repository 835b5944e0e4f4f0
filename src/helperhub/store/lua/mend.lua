#!lua flags=allow-oom
-- Free slots whose executions aren't in hand any more, and count anew; look again at what waits for them.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  where to go on, '0' to begin
-- Answer   {where to go on, '0' at the end; how many slots nobody held}
-- Invariant: a slot is held by an execution that runs, and by no other.
if not limits then return {'0', 0} end
local freed = 0

-- Drop from a hash of ids what doesn't run, and count the others by its values.
local function recount(ids, counts_by)
  local found, members = {}, redis.call('HGETALL', ids)
  for i = 1, #members, 2 do
    local id, by = members[i], members[i + 1]
    local rec = load_record(id)
    if rec and rec[STATUS] == RUNNING then
      if by ~= '' then found[by] = (found[by] or 0) + 1 end
    else
      redis.call('HDEL', ids, id)
      freed = freed + 1
    end
  end
  for _, by in ipairs(redis.call('HKEYS', counts_by)) do
    if not found[by] then redis.call('HDEL', counts_by, by) end
  end
  for by, n in pairs(found) do redis.call('HSET', counts_by, by, n) end
end

local found = redis.call('HSCAN', P .. ':rules', ARGV[1], 'COUNT', 100)
for i = 1, #found[2], 2 do
  local name = string.match(found[2][i], '^helper:(.*)$')
  if name then
    local before = freed
    recount(P .. ':using:' .. name, P .. ':perkey:' .. name)
    limits.look_again(name, freed > before)
  end
end
if ARGV[1] == '0' then recount(P .. ':inhand', P .. ':perqueue') end
end_call()
return {found[1], freed}
