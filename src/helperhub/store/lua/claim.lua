#!lua flags=allow-oom
-- Take the most urgent work for a worker process's free threads.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  worker process's id
-- ARGV[2]  number of this claim, counted by the worker; sending a claim again gives the same answer
-- ARGV[3]  how many executions at most
-- ARGV[4]  1 = the worker will wait for its bell if there is nothing
-- ARGV[5]  1 = the worker waited for its bell before this call
-- ARGV[6..] queues, most urgent first
-- Answer   {now ms, ms of the next delayed due time or 0, id, packed record, id, packed record, ...},
--          or {-1} when the worker isn't registered (its lease was lost)
-- Invariant: a claimed execution is in held:<worker> with this claim's token, and in no waiting set.
local worker, seq, want = ARGV[1], ARGV[2], tonumber(ARGV[3])
local held = P .. ':held:' .. worker
if not redis.call('ZSCORE', P .. ':workers', worker) then return {-1} end

local answer = {now, 0}
local last = redis.call('HMGET', P .. ':worker:' .. worker, 'claim', 'claimed')
if last[1] == seq then
  for _, id in ipairs(cmsgpack.unpack(last[2])) do
    if redis.call('HGET', held, id) == seq and load_record(id) then
      answer[#answer + 1] = id
      answer[#answer + 1] = redis.call('GET', P .. ':x:' .. id)
    end
  end
  return answer
end

if ARGV[5] == '1' then
  for i = 6, #ARGV do redis.call('ZREM', P .. ':idle:' .. ARGV[i], worker) end
end

local claimed = {}
local function claim(queue)
  local ready = P .. ':ready:' .. queue
  while #claimed < want do
    local popped = redis.call('ZPOPMIN', ready, want - #claimed)
    if not popped[1] then return end
    for i = 1, #popped, 2 do
      local id = popped[i]
      local rec = load_record(id)
      if rec and rec[STATUS] == QUEUED then
        if rec[EXPIRES] > 0 and rec[EXPIRES] < now and rec[DELIVERY] == 0 then
          finish(id, rec, EXPIRED, 'not started before its expiry')
        else
          rec[STATUS] = RUNNING
          rec[DELIVERY] = rec[DELIVERY] + 1
          rec[TOKEN] = worker .. '.' .. seq
          save_record(id, rec)
          redis.call('HSET', held, id, seq)
          claimed[#claimed + 1] = id
          answer[#answer + 1] = id
          answer[#answer + 1] = FORMAT .. cmsgpack.pack(rec)
        end
      elseif rec == false then
        quarantine(id, queue)
      end
    end
  end
end

local suspended = redis.call('SISMEMBER', P .. ':paused', 'worker:' .. worker) == 1
for i = 6, #ARGV do
  local queue = ARGV[i]
  -- The first of them is for this very worker.
  local promoted = promote_delayed(queue)
  if promoted > 1 then rings[queue] = (rings[queue] or 0) + promoted - 1 end
  if not suspended and redis.call('SISMEMBER', P .. ':paused', queue) == 0 then claim(queue) end
  local head = redis.call('ZRANGE', P .. ':delayed:' .. queue, 0, 0, 'WITHSCORES')
  if head[2] and (answer[2] == 0 or tonumber(head[2]) < answer[2]) then answer[2] = tonumber(head[2]) end
end
if #claimed > 0 then
  redis.call('HSET', P .. ':worker:' .. worker, 'claim', seq, 'claimed', cmsgpack.pack(claimed), 'claimed_at', now)
elseif ARGV[4] == '1' and not suspended then
  for i = 6, #ARGV do redis.call('ZADD', P .. ':idle:' .. ARGV[i], now, worker) end
end
flush()
return answer
