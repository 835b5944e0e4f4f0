#!lua
-- Write specs into the catalogue, or an operator's override beside one; planning starts anew where it must.
-- Uses: plan
-- KEYS[1]  the shard's prefix
-- ARGV[1]  revision the writer has read; '' = any
-- ARGV[2]  msgpack array of {helper, spec JSON ('' = leave, '-' = drop), override JSON ('' = leave, '-' = drop),
--          plan: 'keep', 'renew' (plan anew from now) or 'stop' (remove what is planned and plan nothing)}
-- Answer   {revision, due times removed from the plan}, or {-1, 0} when the revision has moved on
-- Invariant: what a person marked (skipped, moved) outlives this; nothing before now is planned again.
local rev = tonumber(redis.call('GET', P .. ':rev') or 0)
if ARGV[1] ~= '' and tonumber(ARGV[1]) ~= rev then return {-1, 0} end
local removed = 0
local function write(key, helper, value)
  if value == '-' then redis.call('HDEL', P .. key, helper)
  elseif value ~= '' then redis.call('HSET', P .. key, helper, value) end
end
rev = redis.call('INCR', P .. ':rev')
for _, change in ipairs(cmsgpack.unpack(ARGV[2])) do
  local helper, plan = change[1], change[4]
  write(':catalogue', helper, change[2])
  write(':overrides', helper, change[3])
  -- Nobody plans the helper any more, so nobody forgets what is past; it may come back with its plugin.
  if redis.call('HEXISTS', P .. ':catalogue', helper) + redis.call('HEXISTS', P .. ':overrides', helper) == 0 then
    redis.call('PEXPIRE', P .. ':marks:' .. helper, 7 * 86400000)
  end
  if plan ~= 'keep' then
    -- What is due already isn't the future any more: it stays, and is enqueued or judged.
    removed = removed + redis.call('ZREMRANGEBYSCORE', P .. ':plan:' .. helper, '(' .. now, '+inf')
    refresh_plan(helper)
  end
  if plan == 'renew' then
    redis.call('HSET', P .. ':planned', helper, rev .. '|' .. string.format('%d|%d', now, now))
  elseif plan == 'stop' then
    redis.call('HDEL', P .. ':planned', helper)
  end
end
return {rev, removed}
