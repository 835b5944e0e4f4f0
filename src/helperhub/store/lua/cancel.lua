#!lua flags=allow-oom
-- Stop executions: waiting ones at once, running ones by a mark that the helper sees.
-- Uses: record limits waiting ending undo
-- KEYS[1]  the shard's prefix
-- ARGV[1]  reason
-- ARGV[2]  the change, for undoing it as a purge's; '' = it isn't undone
-- ARGV[3..] ids
-- Answer   array of codes: 'cancelled', 'asked' (it runs), 'final' (too late), 'unknown'
local answer, rows = {}, {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local rec = load_record(id)
  if not rec then
    answer[i - 2] = 'unknown'
  elseif rec[STATUS] == QUEUED or rec[STATUS] == WAITING then
    unqueue(id, rec)
    rows[#rows + 1] = purge_row(id, rec)
    finish(id, rec, CANCELLED, ARGV[1])
    answer[i - 2] = 'cancelled'
  elseif rec[STATUS] == RUNNING then
    redis.call('SADD', P .. ':cancel', id)
    answer[i - 2] = 'asked'
  else
    answer[i - 2] = 'final'
  end
end
note_undo(ARGV[2], rows)
end_call()
return answer
