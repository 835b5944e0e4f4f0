#!lua flags=allow-oom
-- Hand out again what worker processes held whose lease is over, or that are known to be gone.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  an execution lost this often with its worker is given up
-- ARGV[2..] ids of worker processes that are known to be gone, whatever their lease says
-- Answer   array of {worker id, executions handed out again}
-- Invariant: what a reaped worker still settles is stale, for its claims are gone.
local gone = {}
for i = 2, #ARGV do gone[#gone + 1] = ARGV[i] end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. ':workers', '-inf', now, 'LIMIT', 0, 100)) do
  gone[#gone + 1] = worker
end
local answer = {}
for _, worker in ipairs(gone) do
  local held = redis.call('HGETALL', P .. ':held:' .. worker)
  local handed = 0
  for i = 1, #held, 2 do
    local id = held[i]
    local rec = load_record(id)
    if rec and rec[STATUS] == RUNNING and rec[TOKEN] == worker .. '.' .. held[i + 1] then
      rec[LOST] = rec[LOST] + 1
      handed = handed + 1
      if redis.call('SREM', P .. ':cancel', id) == 1 then
        finish(id, rec, CANCELLED, 'cancelled')
      elseif rec[LOST] >= tonumber(ARGV[1]) then
        finish(id, rec, ERROR, 'worker_lost: ' .. rec[LOST] .. ' worker processes died with it in hand')
      else
        make_wait(id, rec)
      end
    elseif rec == false then
      quarantine(id)
    end
  end
  local known = redis.call('ZREM', P .. ':workers', worker)
  local queues = redis.call('HGET', P .. ':worker:' .. worker, 'queues')
  if queues then
    for queue in string.gmatch(queues, '[^,]+') do redis.call('ZREM', P .. ':idle:' .. queue, worker) end
  end
  redis.call('DEL', P .. ':held:' .. worker, P .. ':worker:' .. worker, P .. ':bell:' .. worker)
  redis.call('SREM', P .. ':paused', 'worker:' .. worker)
  if known == 1 or handed > 0 then answer[#answer + 1] = {worker, handed} end
end
flush()
return answer
