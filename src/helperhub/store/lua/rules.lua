#!lua flags=allow-oom
-- Change the rules of limits: they hold at once, for what waits and what runs already too.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of field, text, field, text, ...; '' = the rule goes. Fields and texts:
--          helper:<helper>  at once, at once per key, starts and window ms, the same per key, 1 = paused; 0 = no limit
--          queue:<queue>    at once, and 'priority' or 'deadline'
--          all              at once
--          settings         '1' = a process has entered the rules of queues and all
-- Answer   how many changed
-- Invariant: the slots in use are those of what is in hand, whatever the rules were before.
local changes = cmsgpack.unpack(ARGV[1])
local rules = P .. ':rules'
local changed, helpers = 0, {}
for i = 1, #changes, 2 do
  local field, text = changes[i], changes[i + 1]
  local name = string.match(field, '^helper:(.*)$')
  -- What waits in its tree is handed out from there, bound by nothing; then the rule goes.
  if text == '' and name and redis.call('EXISTS', P .. ':waits:' .. name) == 1 then text = '0 0 0 0 0 0 0' end
  if text ~= redis.call('HGET', rules, field) then
    if text ~= '' then
      redis.call('HSET', rules, field, text)
    else
      redis.call('HDEL', rules, field)
    end
    changed = changed + 1
    if name then helpers[#helpers + 1] = name end
  end
end

limits = open_limits()
for _, name in ipairs(helpers) do redis.call('DEL', P .. ':using:' .. name, P .. ':perkey:' .. name) end
redis.call('DEL', P .. ':inhand', P .. ':perqueue')
for _, worker in ipairs(redis.call('ZRANGE', P .. ':workers', 0, -1)) do
  for _, id in ipairs(redis.call('HKEYS', P .. ':held:' .. worker)) do
    local rec = load_record(id)
    if rec then limits.occupy(id, rec[QUEUE], rec[HELPER], rec[KEY]) end
  end
end
for _, name in ipairs(helpers) do limits.look_again(name, true) end
-- Queues may have more room than before.
for _, queue in ipairs(redis.call('SMEMBERS', P .. ':queues')) do limits.ring(queue, 1000) end
end_call()
return changed
