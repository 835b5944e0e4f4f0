#!lua flags=allow-oom
-- Agree on the schema of the hub's keys: the newest that every registered process knows.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  a scheduler's id: it says what it knows, and raises the schema; '' = a process that only asks
-- ARGV[2]  newest schema that the caller knows
-- ARGV[3]  oldest schema that it can write
-- ARGV[4]  ms after which a silent scheduler is gone
-- Answer   {schema that is written, 0 = nobody has said; a process at work that knows less than ARGV[3], or ''}
-- Invariant: the schema is never lowered, and never raised above what a process at work knows.
local meta, schedulers = P .. ':meta', P .. ':schedulers'
local scheduler, newest, oldest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
-- What a release knows that doesn't say so.
local UNSAID = 1
local schema = tonumber(redis.call('HGET', meta, 'schema') or 0)

local least, behind = newest, ''
local function consider(id, known)
  known = tonumber(known or UNSAID)
  if known < least then least, behind = known, id end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':workers', now, '+inf')) do
  consider(id, redis.call('HGET', P .. ':worker:' .. id, 'schema'))
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', schedulers, now - ARGV[4], '+inf')) do
  if id ~= scheduler then consider(id, redis.call('HGET', meta, 'scheduler:' .. id)) end
end
if least < oldest then return {schema, behind} end

-- A Redis user that may not write it leaves it to the schedulers.
if not redis.acl_check_cmd('HSET', meta, 'schema', least) then return {schema, ''} end
if scheduler ~= '' then
  redis.call('ZADD', schedulers, now, scheduler)
  local fields = redis.call('HGETALL', meta)
  for i = 1, #fields, 2 do
    local id = string.match(fields[i], '^scheduler:(.*)$')
    if id and not redis.call('ZSCORE', schedulers, id) then redis.call('HDEL', meta, fields[i]) end
  end
  redis.call('HSET', meta, 'scheduler:' .. scheduler, newest)
end
if least > schema and (scheduler ~= '' or schema == 0) then
  schema = least
  redis.call('HSET', meta, 'schema', schema)
end
return {schema, ''}
