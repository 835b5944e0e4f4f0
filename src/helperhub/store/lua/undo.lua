#!lua flags=allow-oom
-- Undo a part of a deletion or a replay of executions, the oldest rows first.
-- Uses: record limits waiting ending undo
-- KEYS[1]  the shard's prefix
-- ARGV[1]  id of the change
-- ARGV[2]  how many executions at most in this call
-- ARGV[3]  ms for which a change is remembered as undone that nothing is known of here: it may be under way, and does
--          no more then; 0 = nothing is remembered
-- Answer   {1 if it was begun before, rows that are left, rows in all, executions undone so far, rows of this
--          call};
--          false when nothing is known of it
-- Invariant: a replayed execution that may have started is left alone; what is put back is as it was.
local id, limit = ARGV[1], tonumber(ARGV[2])
local about = P .. ':undo:' .. id
local kind = redis.call('HGET', about, 'kind')
if not kind and ARGV[3] == '0' and redis.call('EXISTS', about) == 0 then return false end
local REPLAY_OF = 3

local take_back = {}

-- Put a dead letter back: one that stands in the history, or one that was kept apart.
function take_back.delete(row)
  local given_up_at, place, old = string.match(row, '^(%d+) (%a) (.+)$')
  local key, apart = P .. ':x:' .. old, P .. ':apart:' .. old
  if place == 'l' then
    local rec = load_record(old)
    -- It was replayed meanwhile, or its time in the history was over.
    if not rec or rec[STATUS] ~= ERROR or string.match(rec[REASON], ' %(replayed as .+%)$') then return false end
  else
    local raw = redis.call('GET', apart)
    redis.call('DEL', apart)
    if not raw or not redis.call('SET', key, raw, 'NX') then return false end
    local rec = load_record(old)
    if rec then
      redis.call('RPUSH', P .. ':of:' .. rec[HELPER] .. ':f', old)
      history_bytes = history_bytes + #raw
    end
    if place == 'u' then redis.call('SADD', P .. ':unlisted', old) end
  end
  redis.call('ZADD', P .. ':dead', given_up_at, old)
  return true
end

-- Cancel a replay that hasn't started; the dead letter that it repeats is one again.
function take_back.replay(new)
  local rec = load_record(new)
  if not rec or rec[STATUS] ~= QUEUED or rec[STARTED] > 0 or rec[ATTEMPT] > 1 then return false end
  local old = read_constants(rec)[REPLAY_OF]
  local found = load_record(old)
  -- Without what it repeats it is all that is left of the work.
  if not found then return false end
  local mark = ' (replayed as ' .. new .. ')'
  if found[STATUS] == ERROR and string.sub(found[REASON], -#mark) == mark then
    found[REASON] = string.sub(found[REASON], 1, -#mark - 1)
    history_bytes = history_bytes - redis.call('STRLEN', P .. ':x:' .. old) + save_record(old, found)
    redis.call('ZADD', P .. ':dead', found[FINISHED], old)
  end
  unqueue(new, rec)
  finish(new, rec, CANCELLED, 'its replay was undone')
  return true
end

local before, rows, undone = begin_undo(id), redis.call('LRANGE', P .. ':undorows:' .. id, -limit, -1), 0
if not kind and ARGV[3] ~= '0' then redis.call('PEXPIRE', about, ARGV[3]) end
for i = #rows, 1, -1 do
  if take_back[kind](rows[i]) then undone = undone + 1 end
end
local answer = end_undo(id, #rows, undone, before)
end_call()
return answer
