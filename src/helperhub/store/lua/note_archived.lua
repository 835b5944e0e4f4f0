#!lua flags=allow-oom
-- Note how far the archive has come: also when Redis is full, for that lets the history go.
-- KEYS[1]  the shard's prefix
-- ARGV[1..] a field and its value, and so on: until = ms, all that was recorded before it is archived;
--           audit = number and digest of the audit trail's last archived entry
-- Answer   Redis TIME, ms
redis.call('HSET', P .. ':archived', 'at', string.format('%d', now), unpack(ARGV))
return now
