#!lua
-- Begin to count the members of a group.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  the group's id, unique for each time it is run
-- ARGV[2]  how many members have to be done
-- ARGV[3]  ms it is kept; each member that is done renews it
-- Answer   1, or 0 when it is counted already: a call that was sent again changes nothing
local key = P .. ':group:' .. ARGV[1]
if redis.call('HSETNX', key, 'size', ARGV[2]) == 0 then return 0 end
redis.call('PEXPIRE', key, ARGV[3])
return 1
