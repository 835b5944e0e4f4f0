#!lua
-- Give executions the same again under other keys: their bodies are swapped, and nothing else.
-- Uses: record
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {id, body it has, body it gets}
-- Answer   array of codes: 1 swapped, 0 it is gone, can't be read, or has another body by now
-- Invariant: a body that changed since it was read is left alone.
local answer = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id = entry[1]
  local rec = load_record(id)
  answer[i] = 0
  if rec and read_constants(rec)[BODY] == entry[2] then
    replace_body(rec, entry[3])
    local before = redis.call('STRLEN', P .. ':x:' .. id)
    local after = save_record(id, rec)
    if rec[FINISHED] > 0 then history_bytes = history_bytes + after - before end
    answer[i] = 1
  end
end
flush()
return answer
