#!lua flags=allow-oom
-- Add an entry to the audit trail: also when Redis is full, for what frees memory is to be on record too.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  the entry, JSON
-- ARGV[2]  a word by chance, the same when a call whose reply was lost is sent again
-- ARGV[3]  entries kept, about
-- Answer   the entry's id
-- Invariant: a call that is sent again adds nothing.
local trail = P .. ':audit'
for _, found in ipairs(redis.call('XREVRANGE', trail, '+', '-', 'COUNT', 50)) do
  if found[2][4] == ARGV[2] then return found[1] end
end
return redis.call('XADD', trail, 'MAXLEN', '~', ARGV[3], '*', 'e', ARGV[1], 't', ARGV[2])
