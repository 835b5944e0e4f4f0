-- Set the helper's place in the plan to its next due time.
local function refresh_plan(helper)
  local first = redis.call('ZRANGE', P .. ':plan:' .. helper, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', P .. ':plan', first[2], helper)
  else
    redis.call('ZREM', P .. ':plan', helper)
  end
end
