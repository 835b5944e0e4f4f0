#!lua flags=allow-oom
-- Take the most urgent work for a worker process's free threads.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  worker process's id
-- ARGV[2]  number of this claim, counted by the worker; sending a claim again gives the same answer
-- ARGV[3]  how many executions at most
-- ARGV[4]  1 = the worker will wait for its bell if there is nothing
-- ARGV[5]  1 = the worker waited for its bell before this call
-- ARGV[6]  how many threads are free: what they don't take at once is read ahead
-- ARGV[7]  how many of the queues are above work that was read ahead before and hasn't started
-- ARGV[8..] queues, most urgent first
-- Answer   {now ms, ms at which to ask again or 0, id, packed record, id, packed record, ...},
--          or {-1} when the worker isn't registered (its lease was lost)
-- Invariant: a claimed execution is in held:<worker> under this claim's number, and in no waiting set.
-- Invariant: a suspect (LOST > 0) is all that its worker process holds.
local worker, seq, want = ARGV[1], ARGV[2], tonumber(ARGV[3])
local held, about = P .. ':held:' .. worker, P .. ':worker:' .. worker
-- A worker that holds a suspect, or empties its hands for one, looks again this soon, ms.
local LOOK_AGAIN = 10
local QUEUES = 8
-- Whoever is idle is rung before those that are busy with lower work: their places in idle:<queue> are lower by this.
local BUSY = 2 ^ 45
if not redis.call('ZSCORE', P .. ':workers', worker) then return {-1} end

for i = QUEUES, #ARGV do
  if not may_enqueue(ARGV[i]) then return redis.error_reply("NOPERM this user may not serve queue '" .. ARGV[i] .. "'") end
end

local answer = {now, 0}
local last = redis.call('HMGET', about, 'claim', 'claimed', 'alone')
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
  for i = QUEUES, #ARGV do redis.call('ZREM', P .. ':idle:' .. ARGV[i], worker) end
end
local paused = redis.call('SMISMEMBER', P .. ':paused', 'worker:' .. worker, unpack(ARGV, QUEUES))
local suspended = paused[1] == 1
local free_threads = tonumber(ARGV[6])

local claimed, now_held = {}, {}
local function take(id, raw, delivery)
  local changed = struct.pack('<c1I4', RUNNING, delivery + 1)
  redis.call('SETRANGE', P .. ':x:' .. id, 1, changed)
  local n = #answer
  answer[n + 1], answer[n + 2] = id, FORMAT .. changed .. string.sub(raw, 7)
  claimed[#claimed + 1] = id
  now_held[n - 1], now_held[n] = id, seq
end

local function consider(queue, id, score)
  local raw = redis.call('GET', P .. ':x:' .. id)
  if not raw then return end
  local format, status, delivery, _, lost, _, _, _, _, _, expires, _, _, _, helper, _, _, key, _, length, start =
    struct.unpack(ALL, raw)
  if format ~= FORMAT or #raw < start + length - 1 then error('not a record') end
  if status ~= QUEUED then return end
  if expires > 0 and expires < now and delivery == 0 then
    finish(id, decode(raw), EXPIRED, 'not started before its expiry')
  elseif lost > 0 then
    redis.call('ZADD', P .. ':suspects:' .. queue, score, id)
  elseif not limits then
    take(id, raw, delivery)
  elseif limits.admit(id, queue, helper, key, score, expires, delivery, free_threads - #claimed) then
    limits.enter(id, queue, helper, key)
    take(id, raw, delivery)
  end
end

local function pop(queue, most)
  if limits then return limits.pop(queue, most, free_threads - #claimed) end
  return redis.call('ZPOPMIN', P .. ':ready:' .. queue, most)
end

local function claim(queue)
  local most = want
  if limits then most = math.min(want, #claimed + limits.room_in(queue)) end
  while #claimed < most do
    local popped = pop(queue, most - #claimed)
    if not popped[1] then return end
    for i = 1, #popped, 2 do
      -- They are out of the queue: one that can't go on must not strand the others.
      local id, score = popped[i], popped[i + 1]
      local ok = pcall(consider, queue, id, score) or renew(id) and pcall(consider, queue, id, score)
      if not ok then quarantine(id, queue) end
    end
  end
end

-- The most urgent suspect of a queue that limits let start, and its record. Of those that they hold back nobody is
-- told when that ends: there are few, and every worker looks by itself now and then.
local function find_suspect(queue)
  if limits and limits.room_in(queue) == 0 then return end
  for _, id in ipairs(redis.call('ZRANGE', P .. ':suspects:' .. queue, 0, 99)) do
    local rec = load_record(id)
    if not rec or rec[STATUS] ~= QUEUED then
      redis.call('ZREM', P .. ':suspects:' .. queue, id)
      if rec == false then quarantine(id, queue) end
    elseif not limits or limits.may_start(rec[HELPER], rec[KEY]) then
      return id, rec
    end
  end
end

local function take_suspect(queue, id, rec)
  redis.call('ZREM', P .. ':suspects:' .. queue, id)
  if limits then limits.enter(id, queue, rec[HELPER], rec[KEY]) end
  take(id, redis.call('GET', P .. ':x:' .. id), rec[DELIVERY])
  redis.call('HSET', about, 'alone', id)
end

-- Whether this worker may claim as usual; if not it has a suspect now, or is to look again soon.
local function is_free()
  if last[3] and redis.call('HEXISTS', held, last[3]) == 1 then return false end
  local serving, suspects = {}, {}
  for i = QUEUES, #ARGV do
    if paused[i - QUEUES + 2] == 0 then
      serving[#serving + 1] = ARGV[i]
      suspects[#suspects + 1] = P .. ':suspects:' .. ARGV[i]
    end
  end
  if #suspects == 0 or redis.call('EXISTS', unpack(suspects)) == 0 then return true end
  local in_hand, found = redis.call('HLEN', held), false
  for _, queue in ipairs(serving) do
    local id, rec = find_suspect(queue)
    if id and in_hand == 0 then
      take_suspect(queue, id, rec)
      return false
    end
    found = found or id
  end
  if not found then return true end
  -- Where all are busy, one worker at a time empties its hands for what must run alone.
  local draining = redis.call('GET', P .. ':draining')
  if draining and draining ~= worker then return true end
  redis.call('SET', P .. ':draining', worker, 'PX', 5000)
  return false
end

local free = not suspended and is_free()
-- What is in the queues from ARGV[QUEUES] up to here passes what this worker has read ahead: it wants to know of it.
local above = QUEUES - 1 + tonumber(ARGV[7])
for i = QUEUES, #ARGV do
  local queue = ARGV[i]
  local promoted = promote_delayed(queue)
  -- The first of them is for this very worker.
  if limits then promoted = promoted + limits.wake(queue) end
  if free then promoted = promoted - 1 end
  if promoted > 0 then rings[queue] = (rings[queue] or 0) + promoted end
  if free and paused[i - QUEUES + 2] == 0 then
    local before = #claimed
    claim(queue)
    if #claimed > before and #claimed > free_threads then above = math.max(above, i - 1) end
  end
  local look = limits and limits.next_look(queue)
  if look and (answer[2] == 0 or look < answer[2]) then answer[2] = look end
  local head = redis.call('ZRANGE', P .. ':delayed:' .. queue, 0, 0, 'WITHSCORES')
  if head[2] and (answer[2] == 0 or tonumber(head[2]) < answer[2]) then answer[2] = tonumber(head[2]) end
end
if #claimed > 0 then
  redis.call('HSET', held, unpack(now_held))
  redis.call('HSET', about, 'claim', seq, 'claimed', cmsgpack.pack(claimed), 'claimed_at', now)
elseif not free and not suspended then
  answer[2] = now + LOOK_AGAIN
elseif ARGV[4] == '1' and not suspended then
  above = 0
  for i = QUEUES, #ARGV do redis.call('ZADD', P .. ':idle:' .. ARGV[i], now, worker) end
end
for i = QUEUES, above do redis.call('ZADD', P .. ':idle:' .. ARGV[i], now - BUSY, worker) end
end_call()
return answer
