#!lua flags=allow-oom
-- Remove dead letters; their records stay in the history as long as other failures do.
-- Uses: record limits waiting ending undo
-- KEYS[1]  the shard's prefix
-- ARGV[1]  the change, for undoing it; '' = it isn't undone
-- ARGV[2..] ids
-- Answer   how many were removed
local rows, removed = {}, 0
for i = 2, #ARGV do
  local id = ARGV[i]
  local given_up_at = redis.call('ZSCORE', P .. ':dead', id)
  if given_up_at then
    redis.call('ZREM', P .. ':dead', id)
    removed = removed + 1
    local rec = load_record(id)
    -- Without a place in the index by time nothing else would ever remove the record.
    local unlisted = redis.call('SREM', P .. ':unlisted', id) == 1
    local place = unlisted and 'u' or rec == false and 'd' or 'l'
    if place ~= 'l' then
      if ARGV[1] ~= '' then keep_apart(ARGV[1], id) end
      forget(id, rec, 'f')
    end
    rows[removed] = given_up_at .. ' ' .. place .. ' ' .. id
  end
end
note_undo(ARGV[1], rows)
end_call()
return removed
