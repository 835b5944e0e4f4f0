#!lua flags=allow-oom
-- Keep what running executions say of themselves: progress and log lines.
-- Uses: record
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {id, delivery, progress as JSON or '', array of log lines as JSON}
-- ARGV[2]  how many log lines of one execution are kept
-- ARGV[3]  lifetime of both after the last word, ms
-- Answer   array of codes: 1 kept, 0 stale (it was handed out again since, or is unknown; nothing changed)
local kept, lifetime = tonumber(ARGV[2]), tonumber(ARGV[3])
local answer = {}
for i, said in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id = said[1]
  answer[i] = 0
  local rec = load_record(id)
  -- Not by its claim: last words may come after its verdict.
  if rec and rec[DELIVERY] == said[2] then
    answer[i] = 1
    if said[3] ~= '' then redis.call('SET', P .. ':progress:' .. id, said[3], 'PX', lifetime) end
    if #said[4] > 0 then
      local log = P .. ':log:' .. id
      redis.call('RPUSH', log, unpack(said[4]))
      redis.call('LTRIM', log, -kept, -1)
      redis.call('PEXPIRE', log, lifetime)
    end
  end
end
return answer
