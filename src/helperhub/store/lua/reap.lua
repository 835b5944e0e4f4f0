#!lua flags=allow-oom
-- Hand out again what worker processes held that are gone, or whose lease is over.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {worker process's id, how it ended, suspects: ids, or false for all it held, whether
--          nobody ended it on purpose}: processes that are known to be gone, whatever their lease says
-- ARGV[2]  1 = leave leases alone that are over: Redis was away a moment ago, and nobody could renew them
-- Answer   array of {worker id, executions handed out again, executions given up}
-- Invariant: what a reaped worker still settles is stale, for its claims are gone.
-- A suspect may have killed its process. It is next run alone (claim.lua); LOST is 1 for a suspect, and one more
-- for each process that died while it ran alone there.
local DEATHS_ALONE = 2
-- So many of those that died are remembered, for alerts.
local MOST_LOST = 100
local gone = cmsgpack.unpack(ARGV[1])
if ARGV[2] ~= '1' then
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. ':workers', '-inf', now, 'LIMIT', 0, 100)) do
    gone[#gone + 1] = {worker, 'its lease ended', false, true}
  end
end

local function hand_out(id, rec, cause, suspected, alone)
  if redis.call('SREM', P .. ':cancel', id) == 1 then
    finish(id, rec, CANCELLED, 'cancelled')
    return false
  end
  rec[REASON] = 'handed out again: ' .. cause
  if suspected then
    rec[LOST] = math.max(rec[LOST], 1) + (alone and 1 or 0)
    add_own_error(id, rec, 'WorkerLost', cause)
  end
  if rec[LOST] > DEATHS_ALONE then
    finish(id, rec, ERROR, 'worker_lost: ' .. cause .. ', ' .. DEATHS_ALONE .. ' times while it ran alone')
    return true
  end
  make_wait(id, rec)
  return false
end

-- A user that serves some queues only leaves the work of others to those who may hand it out.
local function may_hand_out(held, queues)
  for queue in string.gmatch(queues or '', '[^,]+') do
    if not may_enqueue(queue) then return false end
  end
  for i = 1, #held, 2 do
    local rec = load_record(held[i])
    if rec and not may_enqueue(rec[QUEUE]) then return false end
  end
  return true
end

local answer = {}
local function reap(worker, cause, suspects, lost)
  local held = redis.call('HGETALL', P .. ':held:' .. worker)
  local about = redis.call('HMGET', P .. ':worker:' .. worker, 'queues', 'alone')
  if not may_hand_out(held, about[1]) then return end
  local is_suspect = {}
  for _, id in ipairs(suspects or {}) do is_suspect[id] = true end
  local handed, given_up = 0, 0
  for i = 1, #held, 2 do
    local id = held[i]
    local rec = load_record(id)
    if rec and rec[STATUS] == RUNNING then
      handed = handed + 1
      local lost = hand_out(id, rec, cause, not suspects or is_suspect[id] or false, about[2] == id)
      if lost then given_up = given_up + 1 end
    elseif rec == false then
      quarantine(id)
    end
  end
  local known = redis.call('ZREM', P .. ':workers', worker)
  if about[1] then
    for queue in string.gmatch(about[1], '[^,]+') do redis.call('ZREM', P .. ':idle:' .. queue, worker) end
  end
  redis.call('DEL', P .. ':held:' .. worker, P .. ':worker:' .. worker, P .. ':bell:' .. worker)
  if redis.acl_check_cmd('SREM', P .. ':paused', worker) then redis.call('SREM', P .. ':paused', 'worker:' .. worker) end
  if known == 1 or handed > 0 then
    answer[#answer + 1] = {worker, handed, given_up}
    if lost then
      redis.call('ZADD', P .. ':lost', now, worker)
      redis.call('ZREMRANGEBYRANK', P .. ':lost', 0, -1 - MOST_LOST)
    end
  end
end

for _, entry in ipairs(gone) do reap(entry[1], entry[2], entry[3], entry[4]) end
end_call()
return answer
