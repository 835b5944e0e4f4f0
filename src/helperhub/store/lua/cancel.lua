#!lua flags=allow-oom
-- Stop executions: waiting ones at once, running ones by a mark that the helper sees.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  reason
-- ARGV[2..] ids
-- Answer   array of codes: 'cancelled', 'asked' (it runs), 'final' (too late), 'unknown'
local answer = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local rec = load_record(id)
  if not rec then
    answer[i - 1] = 'unknown'
  elseif rec[STATUS] == QUEUED or rec[STATUS] == WAITING then
    unqueue(id, rec)
    finish(id, rec, CANCELLED, ARGV[1])
    answer[i - 1] = 'cancelled'
  elseif rec[STATUS] == RUNNING then
    redis.call('SADD', P .. ':cancel', id)
    answer[i - 1] = 'asked'
  else
    answer[i - 1] = 'final'
  end
end
end_call()
return answer
