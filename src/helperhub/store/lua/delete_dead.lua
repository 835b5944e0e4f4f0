#!lua flags=allow-oom
-- Remove dead letters; their records stay in the history as long as other failures do.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1..] ids
-- Answer   how many were removed
local removed = 0
for _, id in ipairs(ARGV) do
  if redis.call('ZREM', P .. ':dead', id) == 1 then
    removed = removed + 1
    local rec = load_record(id)
    -- Without a place in the index by time nothing else would ever remove the record.
    local unlisted = redis.call('SREM', P .. ':unlisted', id) == 1
    if unlisted or rec == false then forget(id, rec, 'f') end
  end
end
end_call()
return removed
