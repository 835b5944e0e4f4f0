#!lua flags=allow-oom
-- Show what is due, and say that a scheduler lives. Changes nothing in the plan.
-- KEYS[1]  the shard's prefix
-- ARGV[1]  scheduler's id, '' = nobody's
-- ARGV[2]  how many helpers at most
-- Answer   {now ms, revision, next due ms or 0, {helper, planned until ms or 0, slot, due ms, mark, ...}, ...}
if ARGV[1] ~= '' and redis.call('ZADD', P .. ':schedulers', now, ARGV[1]) == 1 then
  -- Together with its name: a scheduler that says nothing is of a release that knows nothing of schemas.
  redis.call('HSET', P .. ':meta', 'scheduler:' .. ARGV[1], KNOWN_SCHEMA)
end
local answer = {now, tonumber(redis.call('GET', P .. ':rev') or 0), 0}
-- All of a helper's together, for of those that were missed only the latest runs: a window of one each second.
local MOST = 10000
local helpers = redis.call('ZRANGEBYSCORE', P .. ':plan', '-inf', now, 'LIMIT', 0, ARGV[2])
for _, helper in ipairs(helpers) do
  local state = redis.call('HGET', P .. ':planned', helper)
  local row = {helper, state and string.match(state, '^%d+|(%d+)|%d+$') or '0'}
  local due = redis.call('ZRANGEBYSCORE', P .. ':plan:' .. helper, '-inf', now, 'WITHSCORES', 'LIMIT', 0, MOST)
  for i = 1, #due, 2 do
    row[#row + 1] = due[i]
    row[#row + 1] = due[i + 1]
    row[#row + 1] = redis.call('HGET', P .. ':marks:' .. helper, due[i]) or ''
  end
  answer[#answer + 1] = row
end
local following = redis.call('ZRANGEBYSCORE', P .. ':plan', '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
if following[2] then answer[3] = tonumber(following[2]) end
return answer
