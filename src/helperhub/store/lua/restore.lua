#!lua
-- Bring back executions of a backup that weren't over: all of them wait; what ran, as after a lost worker process.
-- Uses: record limits waiting ending
-- KEYS[1]  the shard's prefix
-- ARGV[1]  msgpack array of {id, record}
-- Answer   array of codes: 1 it waits, 2 it waits behind its helper's active one, 0 it is there already,
--          -1 its record can't be read: it is set aside
-- Invariant: an id is brought back once, however often the call is sent.
local answer = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, raw = entry[1], entry[2]
  if not redis.call('SET', P .. ':x:' .. id, raw, 'NX') then
    answer[i] = 0
  else
    local rec = load_record(id)
    if not rec then
      quarantine(id)
      answer[i] = -1
    else
      local helper, parked = rec[HELPER], string.sub(rec[REASON], 1, 19) == 'overlap: waits for '
      if rec[STATUS] ~= QUEUED then
        rec[REASON], parked = 'handed out again: restored from a backup', false
      end
      rec[STATUS], rec[FINISHED], rec[RESULT] = QUEUED, 0, ''
      count(rec[QUEUE], 'enqueued')
      if rec[UNIQUE] ~= '' then redis.call('SET', find_place(helper, rec[UNIQUE]), id, 'NX') end
      local blocker = parked and find_active(helper)
      if blocker then
        rec[REASON] = 'overlap: waits for ' .. blocker
        save_record(id, rec)
        count(rec[QUEUE], 'parked')
        redis.call('ZADD', P .. ':parked:' .. helper, rec[DUE], id)
        answer[i] = 2
      else
        if rec[OVERLAP] ~= '' then redis.call('SADD', P .. ':active:' .. helper, id) end
        make_wait(id, rec)
        answer[i] = 1
      end
    end
  end
end
end_call()
return answer
