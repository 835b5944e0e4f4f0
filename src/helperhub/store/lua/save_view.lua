#!lua
-- Save a view under a name, or give one another name.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  whose it is
-- ARGV[2]  its name so far; '' = it is new, or takes the place of the one with its name
-- ARGV[3]  its name from now on
-- ARGV[4]  what it is; '' = as before
-- ARGV[5]  how many one may have
-- ARGV[6]  ms they are kept after the last look
-- Answer   1 done, 0 he has too many, -1 there is none, -2 the name is taken
-- Invariant: no other view is lost by saving or renaming one.
local views, before, name, content = P .. ':views:' .. ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if before ~= '' and before ~= name then
  local found = redis.call('HGET', views, before)
  if not found then return -1 end
  if redis.call('HSETNX', views, name, found) == 0 then return -2 end
  redis.call('HDEL', views, before)
elseif redis.call('HEXISTS', views, name) == 0 then
  if before ~= '' then return -1 end
  if redis.call('HLEN', views) >= tonumber(ARGV[5]) then return 0 end
end
if content ~= '' then redis.call('HSET', views, name, content) end
redis.call('PEXPIRE', views, ARGV[6])
return 1
