#!lua
-- Put finished executions back as new ones; a dead letter leaves the dead letters.
-- Uses: record limits waiting ending undo
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {old id, new id, new record}
-- ARGV[2]  the change, for undoing it; '' = it isn't undone
-- Answer   array of {code, id}: 1 replayed, 0 it was replayed before (its new id), -1 not final, -2 unknown,
--          -3 the change that this belongs to was undone
-- Invariant: a dead letter is replayed once, however often and by whomever it is asked for.
local answer, rows, undone = {}, {}, is_undone(ARGV[2])
for i, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local old, id, rec = entry[1], entry[2], new_record(entry[3])
  local found = load_record(old)
  if undone then
    answer[i] = {-3, old}
  elseif not found then
    answer[i] = {-2, old}
  elseif load_record(id) ~= nil then
    answer[i] = {0, id}
  elseif found[FINISHED] == 0 then
    answer[i] = {-1, old}
  else
    local before = string.match(found[REASON], ' %(replayed as (.+)%)$')
    if found[STATUS] == ERROR and before then
      answer[i] = {0, before}
    else
      if found[STATUS] == ERROR then
        redis.call('ZREM', P .. ':dead', old)
        found[REASON] = found[REASON] .. ' (replayed as ' .. id .. ')'
        history_bytes = history_bytes - redis.call('STRLEN', P .. ':x:' .. old)
        history_bytes = history_bytes + save_record(old, found)
        if redis.call('SREM', P .. ':unlisted', old) == 1 then
          -- Its time in the history was over but for being a dead letter: it gets another, to end with.
          note(streams, found[QUEUE] .. ':f', old)
        end
      end
      rec[DUE] = now
      enqueue(id, rec)
      answer[i] = {1, id}
      rows[#rows + 1] = id
    end
  end
end
note_undo(ARGV[2], rows)
end_call()
return answer
