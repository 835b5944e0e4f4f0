-- How executions come to their one final state, and what that frees.

-- Set an execution aside whose record can't be read: it costs its neighbours nothing, and keeps its bytes.
local function quarantine(id, queue)
  if limits then limits.leave_unread(id) end
  redis.call('ZADD', P .. ':dead', now, id)
  redis.call('SADD', P .. ':untold', id)
  if queue then
    count(queue, ERROR)
    count(queue, 'ended')
  end
end

-- One of a helper's active executions, or nil. One whose record was lost or damaged must not block it for ever.
local function find_active(helper)
  local active = P .. ':active:' .. helper
  local id = redis.call('SRANDMEMBER', active)
  while id do
    local rec = load_record(id)
    if rec and rec[FINISHED] == 0 then return id end
    redis.call('SREM', active, id)
    id = redis.call('SRANDMEMBER', active)
  end
end

-- The next parked execution of a helper takes the place that became free.
local function release_parked(helper)
  local parked = P .. ':parked:' .. helper
  if redis.call('EXISTS', parked) == 0 or find_active(helper) then return end
  local popped = redis.call('ZPOPMIN', parked)
  while popped[1] do
    local rec = load_record(popped[1])
    if rec and not may_enqueue(rec[QUEUE]) then
      redis.call('ZADD', parked, popped[2], popped[1])
      return
    end
    if rec and rec[STATUS] == QUEUED then
      redis.call('SADD', P .. ':active:' .. helper, popped[1])
      count(rec[QUEUE], 'parked', -1)
      make_wait(popped[1], rec)
      return
    end
    if rec == false then quarantine(popped[1]) end
    popped = redis.call('ZPOPMIN', parked)
  end
end

-- Ids that this call gave their final state: counted, and by the key of the history that they are to stand in.
local finished, streams, lists = {}, {}, {}
local function note(keys, key, id)
  local ids = keys[key]
  if ids then ids[#ids + 1] = id else keys[key] = {id} end
end

-- Give an execution its one final state. `end_call` enters it in the history.
local function finish(id, rec, status, reason)
  if limits and rec[STATUS] == RUNNING then limits.leave(id, rec) end
  rec[STATUS] = status
  rec[REASON] = reason
  rec[FINISHED] = now
  history_bytes = history_bytes + save_record(id, rec)
  local kind = status == SUCCESS and ':s' or ':f'
  note(streams, rec[QUEUE] .. kind, id)
  note(lists, rec[HELPER] .. kind, id)
  if status == ERROR then
    redis.call('ZADD', P .. ':dead', now, id)
    redis.call('SADD', P .. ':untold', id)
  end
  if status ~= SKIPPED and is_called(rec) then redis.call('SADD', P .. ':uncalled', id) end
  count(rec[QUEUE], status)
  if rec[ENQUEUED] > 0 then count(rec[QUEUE], 'ended') end
  finished[id] = true
  if rec[UNIQUE] ~= '' then release_unique(id, rec) end
  if rec[OVERLAP] ~= '' then
    redis.call('SREM', P .. ':active:' .. rec[HELPER], id)
    release_parked(rec[HELPER])
  end
end

-- What of a change was carried out before it failed stays; the rest must not be lost sight of.
local function set_aside(id, reason)
  local rec = load_record(id)
  if rec then
    rec[STATUS], rec[REASON], rec[FINISHED] = ERROR, reason, now
    save_record(id, rec)
    redis.pcall('SREM', P .. ':active:' .. rec[HELPER], id)
    if is_called(rec) then redis.pcall('SADD', P .. ':uncalled', id) end
    if rec[UNIQUE] ~= '' then release_unique(id, rec) end
  end
  quarantine(id, rec and not finished[id] and rec[QUEUE])
end

-- Enter what ended in the history, many at once; return error texts by the ids that couldn't be entered.
-- An entry of a stream holds up to `AT_ONCE` ids, a zero byte between two.
local AT_ONCE = 100
local function write_history()
  local failed = {}
  local function check(answer, ids)
    if type(answer) == 'table' and answer.err then
      for _, id in ipairs(ids) do failed[id] = answer.err end
    end
  end
  for key, ids in pairs(streams) do
    for i = 1, #ids, AT_ONCE do
      local some = table.concat(ids, '\0', i, math.min(i + AT_ONCE - 1, #ids))
      check(redis.pcall('XADD', P .. ':ended:' .. key, '*', 'i', some), ids)
    end
  end
  for key, ids in pairs(lists) do
    for i = 1, #ids, AT_ONCE do
      check(redis.pcall('LPUSH', P .. ':of:' .. key, unpack(ids, i, math.min(i + AT_ONCE - 1, #ids))), ids)
    end
  end
  streams, lists = {}, {}
  return failed
end

-- The last step of every script that may end executions.
local function end_call()
  for id, why in pairs(write_history()) do set_aside(id, "it can't be entered in the history: " .. why) end
  flush()
end

-- End a finished execution's record, and its place among its helper's.
local function forget(id, rec, kind)
  local key = P .. ':x:' .. id
  if rec then
    redis.call('LREM', P .. ':of:' .. rec[HELPER] .. ':' .. kind, -1, id)
    history_bytes = history_bytes - redis.call('STRLEN', key)
  end
  redis.call('DEL', key)
end
