-- What lets a change be undone for a time: what it was, and a row for each execution that it changed, the newest first.

-- Of more rows than these the oldest can't be undone any more: a row takes some 40 bytes.
local UNDO_ROWS = 100000

-- Note rows of a change. `packed` is what `store/undo.py` says of it, '' where it isn't to be undone.
local function note_undo(packed, rows)
  if packed == '' or #rows == 0 then return end
  local id, lifetime, kind, target, who = unpack(cmsgpack.unpack(packed))
  local about, list = P .. ':undo:' .. id, P .. ':undorows:' .. id
  redis.call('HSET', about, 'kind', kind, 'target', target, 'who', who)
  redis.call('HINCRBY', about, 'rows', #rows)
  for i = 1, #rows, 1000 do redis.call('LPUSH', list, unpack(rows, i, math.min(i + 999, #rows))) end
  redis.call('LTRIM', list, 0, UNDO_ROWS - 1)
  redis.call('PEXPIRE', about, lifetime)
  redis.call('PEXPIRE', list, lifetime)
end

-- Keep the record of an execution that is forgotten, as it is.
local function keep_apart(packed, id)
  local raw = redis.pcall('GET', P .. ':x:' .. id)
  if type(raw) == 'string' then redis.call('SET', P .. ':apart:' .. id, raw, 'PX', cmsgpack.unpack(packed)[2]) end
end

-- A purge's row: whether the execution waited behind its helper's active one, and its id.
local function is_parked(rec) return string.sub(rec[REASON], 1, 19) == 'overlap: waits for ' end
local function purge_row(id, rec) return (is_parked(rec) and 'p ' or 'w ') .. id end

-- Whether somebody has undone a change already: then nothing is added to it any more.
local function is_undone(packed)
  if packed == '' then return false end
  return redis.call('HEXISTS', P .. ':undo:' .. cmsgpack.unpack(packed)[1], 'begun') == 1
end

-- Begin to undo a change, or go on with that; return whether it had begun before.
local function begin_undo(id)
  return redis.call('HSETNX', P .. ':undo:' .. id, 'begun', string.format('%d', now)) == 0
end

-- Take the oldest rows off, of which so many were dealt with well; return what the scripts answer.
local function end_undo(id, taken, undone, before)
  local about, list = P .. ':undo:' .. id, P .. ':undorows:' .. id
  if taken > 0 then redis.call('LTRIM', list, 0, -(taken + 1)) end
  if undone > 0 then redis.call('HINCRBY', about, 'undone', undone) end
  local sums = redis.call('HMGET', about, 'rows', 'undone')
  return {before and 1 or 0, redis.call('LLEN', list), tonumber(sums[1] or 0), tonumber(sums[2] or 0), taken}
end
