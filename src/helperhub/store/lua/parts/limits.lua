-- What may run at once and how often it may start: of a helper, of one value of its key, of a queue, of the hub.
-- `limits` stays nil where the hub has no rules; then nothing here costs more than that look.
--
-- What waits under a helper's limits stands in a tree, so that nothing is moved one by one:
--   limited:<queue>:<helper>:<key>  ids, as ready is scored; the key is '' for those without
--   keys:<queue>:<helper>           the keys whose first may start as far as the key goes, scored as that
--   helpers:<queue>                 the helpers whose first may start, scored as that
-- A key that is used up stands in blocked:<queue>:<helper> instead, a helper that is used up nowhere; both are looked
-- at again when a slot is freed, when their rate allows it (throttled:<queue>), and when their rule changes.
-- Invariant: a place in keys or helpers may promise too much (it is looked at again before anything is taken), and
-- never too little: what may start is found.
local function open_limits()
  local rules = P .. ':rules'
  -- As many places are put right in one call; whoever claims asks again at once.
  local MOST_MOVES = 250
  -- A thread takes a moment to start what was handed out: a rate's window is longer by that, ms.
  local HAND_OVER = 20
  -- Only who runs short work reads ahead: one of its threads is free about then, ms.
  local THREAD_SOON = 10
  local NO_RULE = {most = 0, most_of_key = 0, starts = 0, window = 0, starts_of_key = 0, window_of_key = 0}
  local moves, holds = 0, 0
  local helper_rules, queue_rules = {}, {}
  local most_of_all = tonumber(redis.call('HGET', rules, 'all') or 0)
  local freed, freed_queues = {}, {}
  local taken, wants_thread

  local function name_of(helper) return string.match(helper, '^[^/]*') end

  local function rule_of(name)
    local rule = helper_rules[name]
    if rule == nil then
      local text = redis.call('HGET', rules, 'helper:' .. name)
      rule = false
      if text then
        local n = {}
        for number in string.gmatch(text, '%d+') do n[#n + 1] = tonumber(number) end
        rule = {most = n[1], most_of_key = n[2], starts = n[3], window = n[4], starts_of_key = n[5],
          window_of_key = n[6], paused = n[7] == 1, counts = n[1] > 0 or n[2] > 0}
      end
      helper_rules[name] = rule
    end
    return rule
  end

  local function rule_of_queue(queue)
    local rule = queue_rules[queue]
    if rule == nil then
      local most, order = string.match(redis.call('HGET', rules, 'queue:' .. queue) or '', '^(%d+) (%l+)$')
      rule = {most = tonumber(most or 0), by_deadline = order == 'deadline'}
      queue_rules[queue] = rule
    end
    return rule
  end

  -- What is left in the tree of a helper whose rule is gone is bound by nothing.
  local function rule_or_none(name) return rule_of(name) or NO_RULE end

  -- When a rate allows the next start: 0 = now, else ms. Its list has the last starts, newest first.
  local function rate_opens(key, starts, window)
    local first = starts > 0 and redis.call('LINDEX', key, starts - 1)
    local opens = first and tonumber(first) + window + math.min(HAND_OVER, math.floor(window / 20)) or 0
    return opens > now and opens or 0
  end

  -- When a helper, or a key, may start another: 0 = now, -1 = when a slot is freed or its rule changes, else ms.
  local function helper_opens(name, rule)
    if rule.paused or rule.most > 0 and redis.call('HLEN', P .. ':using:' .. name) >= rule.most then return -1 end
    return rate_opens(P .. ':starts:' .. name, rule.starts, rule.window)
  end

  local function key_opens(name, rule, key)
    if key == '' then return 0 end
    if rule.most_of_key > 0 then
      if tonumber(redis.call('HGET', P .. ':perkey:' .. name, key) or 0) >= rule.most_of_key then return -1 end
    end
    return rate_opens(P .. ':starts:' .. name .. ':' .. key, rule.starts_of_key, rule.window_of_key)
  end

  -- Put a key of a helper where it belongs.
  local function mark_key(queue, name, rule, key)
    local keys, blocked = P .. ':keys:' .. queue .. ':' .. name, P .. ':blocked:' .. queue .. ':' .. name
    local throttled, member = P .. ':throttled:' .. queue, name .. ':' .. key
    local first = redis.call('ZRANGE', P .. ':limited:' .. queue .. ':' .. name .. ':' .. key, 0, 0, 'WITHSCORES')
    local opens = first[1] and key_opens(name, rule, key)
    if opens == 0 then
      redis.call('ZADD', keys, first[2], key)
    else
      redis.call('ZREM', keys, key)
    end
    if key == '' then return end
    if first[1] and opens ~= 0 then
      redis.call('SADD', blocked, key)
      if opens > 0 then redis.call('ZADD', throttled, opens, member) end
    else
      redis.call('SREM', blocked, key)
      redis.call('ZREM', throttled, member)
    end
  end

  -- Put a helper where it belongs; return whether its first may start.
  local function mark_helper(queue, name, rule)
    local helpers, throttled = P .. ':helpers:' .. queue, P .. ':throttled:' .. queue
    local first = redis.call('ZRANGE', P .. ':keys:' .. queue .. ':' .. name, 0, 0, 'WITHSCORES')
    local opens = first[1] and helper_opens(name, rule)
    if opens == 0 then
      redis.call('ZADD', helpers, first[2], name)
      return true
    end
    redis.call('ZREM', helpers, name)
    if not first[1] then
      redis.call('ZREM', throttled, name)
    elseif opens > 0 then
      redis.call('ZADD', throttled, opens, name)
    end
    return false
  end

  -- Let an execution wait under its helper's limits; return whether one of that helper may start.
  local function hold(id, queue, helper, key, score, expires, delivery)
    local name = name_of(helper)
    local rule, set = rule_or_none(name), P .. ':limited:' .. queue .. ':' .. name .. ':' .. key
    if redis.call('ZADD', set, score, id) == 1 then
      redis.call('HINCRBY', P .. ':waits:' .. name, queue, 1)
      count(queue, 'limited')
    end
    if expires > 0 and delivery == 0 then redis.call('ZADD', P .. ':expiring:' .. queue, expires, id) end
    if redis.call('ZRANGE', set, 0, 0)[1] ~= id then
      return redis.call('ZSCORE', P .. ':helpers:' .. queue, name) and true or false
    end
    mark_key(queue, name, rule, key)
    return mark_helper(queue, name, rule)
  end

  -- Note that an execution doesn't wait under limits any more.
  local function note_gone(queue, name, id)
    if redis.call('HINCRBY', P .. ':waits:' .. name, queue, -1) <= 0 then
      redis.call('HDEL', P .. ':waits:' .. name, queue)
    end
    redis.call('ZREM', P .. ':expiring:' .. queue, id)
    count(queue, 'limited', -1)
  end

  -- Take an execution out of the tree, if it is there.
  local function drop(id, rec)
    local queue, name, key = rec[QUEUE], name_of(rec[HELPER]), rec[KEY]
    local rule = rule_or_none(name)
    if redis.call('ZREM', P .. ':limited:' .. queue .. ':' .. name .. ':' .. key, id) == 0 then return false end
    note_gone(queue, name, id)
    mark_key(queue, name, rule, key)
    mark_helper(queue, name, rule)
    return true
  end

  -- What was taken has its slots by now: its places can be put right.
  local function mark_taken()
    if not taken then return end
    mark_key(unpack(taken))
    mark_helper(taken[1], taken[2], taken[3])
    taken = nil
  end

  -- The most urgent execution of a queue that waits under limits and may start: id, score, helper, its rule, key.
  local function find_first(queue)
    while moves < MOST_MOVES do
      local first = redis.call('ZRANGE', P .. ':helpers:' .. queue, 0, 0, 'WITHSCORES')
      local name = first[1]
      if not name then return end
      local rule = rule_or_none(name)
      local key = redis.call('ZRANGE', P .. ':keys:' .. queue .. ':' .. name, 0, 0, 'WITHSCORES')
      if key[1] and key[2] == first[2] and helper_opens(name, rule) == 0 and key_opens(name, rule, key[1]) == 0 then
        local set = P .. ':limited:' .. queue .. ':' .. name .. ':' .. key[1]
        local head = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
        if head[2] == key[2] then return head[1], head[2], name, rule, key[1] end
      end
      moves = moves + 1
      if key[1] then mark_key(queue, name, rule, key[1]) end
      mark_helper(queue, name, rule)
    end
  end

  -- Whether starts are counted: then one has to follow the hand-out at once, so only a free thread takes it.
  local function is_rated(rule, key) return rule.starts > 0 or key ~= '' and rule.starts_of_key > 0 end

  -- Take the most urgent executions out of a queue, as ZPOPMIN answers: some that stand in ready, or one of the tree.
  local function pop(queue, most, free)
    mark_taken()
    if holds >= MOST_MOVES then return {} end
    local ready = P .. ':ready:' .. queue
    local id, score, name, rule, key = find_first(queue)
    if not id then return redis.call('ZPOPMIN', ready, most) end
    local popped = redis.call('ZRANGE', ready, '-inf', score, 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
    if popped[1] then
      redis.call('ZREMRANGEBYRANK', ready, 0, #popped / 2 - 1)
      return popped
    end
    if free < 1 and is_rated(rule, key) then
      wants_thread = true
      return {}
    end
    redis.call('ZREM', P .. ':limited:' .. queue .. ':' .. name .. ':' .. key, id)
    note_gone(queue, name, id)
    taken = {queue, name, rule, key}
    return {id, score}
  end

  -- Whether limits let an execution start now.
  local function may_start(helper, key)
    local name = name_of(helper)
    local rule = rule_of(name)
    return not rule or helper_opens(name, rule) == 0 and key_opens(name, rule, key) == 0
  end

  -- Whether an execution that stood in ready may start; else it waits under its limits from now on.
  local function admit(id, queue, helper, key, score, expires, delivery, free)
    local rule = rule_of(name_of(helper))
    if not rule or may_start(helper, key) and (free > 0 or not is_rated(rule, key)) then return true end
    holds = holds + 1
    hold(id, queue, helper, key, score, expires, delivery)
    return false
  end

  local function note_start(key, starts, window)
    redis.call('LPUSH', key, string.format('%d', now))
    redis.call('LTRIM', key, 0, starts - 1)
    redis.call('PEXPIRE', key, window + HAND_OVER)
  end

  -- Count an execution as in hand.
  local function occupy(id, queue, helper, key)
    local name = name_of(helper)
    local rule = rule_of(name)
    if rule and rule.counts and redis.call('HSET', P .. ':using:' .. name, id, key) == 1 and key ~= '' then
      redis.call('HINCRBY', P .. ':perkey:' .. name, key, 1)
    end
    if (rule_of_queue(queue).most > 0 or most_of_all > 0) and redis.call('HSET', P .. ':inhand', id, queue) == 1 then
      redis.call('HINCRBY', P .. ':perqueue', queue, 1)
    end
    return rule, name
  end

  -- An execution is handed out: it has its slots, and counts as a start.
  local function enter(id, queue, helper, key)
    local rule, name = occupy(id, queue, helper, key)
    if not rule then return end
    if rule.starts > 0 then note_start(P .. ':starts:' .. name, rule.starts, rule.window) end
    if key ~= '' and rule.starts_of_key > 0 then
      note_start(P .. ':starts:' .. name .. ':' .. key, rule.starts_of_key, rule.window_of_key)
    end
  end

  local function decrease(hash, field)
    if redis.call('HINCRBY', hash, field, -1) <= 0 then redis.call('HDEL', hash, field) end
  end

  local function vacate(id, name, queue, key)
    local rule = rule_of(name)
    if rule and rule.counts and redis.call('HDEL', P .. ':using:' .. name, id) == 1 then
      if key ~= '' then decrease(P .. ':perkey:' .. name, key) end
      local of = freed[name] or {n = 0, keys = {}}
      of.n, of.keys[key], freed[name] = of.n + 1, true, of
    end
    if (rule_of_queue(queue).most > 0 or most_of_all > 0) and redis.call('HDEL', P .. ':inhand', id) == 1 then
      decrease(P .. ':perqueue', queue)
      freed_queues[queue] = (freed_queues[queue] or 0) + 1
    end
  end

  -- An execution is out of hand: its slots are free.
  local function leave(id, rec)
    vacate(id, name_of(rec[HELPER]), rec[QUEUE], rec[KEY])
  end

  local function each_helper(act)
    for _, field in ipairs(redis.call('HKEYS', rules)) do
      local name = string.match(field, '^helper:(.*)$')
      if name then act(name, rule_of(name)) end
    end
  end

  -- The same for one whose record can't be read.
  local function leave_unread(id)
    local queue = redis.call('HGET', P .. ':inhand', id) or ''
    each_helper(function(name)
      local key = redis.call('HGET', P .. ':using:' .. name, id)
      if key then vacate(id, name, queue, key) end
    end)
    vacate(id, '', queue, '')
  end

  -- Wake as many as can start something of a queue, if anything waits there.
  local function ring(queue, n)
    if may_enqueue(queue) and redis.call('EXISTS', P .. ':ready:' .. queue, P .. ':helpers:' .. queue) > 0 then
      rings[queue] = math.max(rings[queue] or 0, n)
    end
  end

  -- Hand freed slots on: the last step of a call.
  local function release()
    mark_taken()
    for name, of in pairs(freed) do
      local rule = rule_or_none(name)
      for _, queue in ipairs(redis.call('HKEYS', P .. ':waits:' .. name)) do
        -- A user that may not serve that queue leaves it to others, and to mend.lua.
        if may_enqueue(queue) then
          for key in pairs(of.keys) do mark_key(queue, name, rule, key) end
          if mark_helper(queue, name, rule) then ring(queue, of.n) end
        end
      end
    end
    local all = 0
    for queue, n in pairs(freed_queues) do
      all = all + n
      ring(queue, n)
    end
    if all > 0 and most_of_all > 0 then
      for _, queue in ipairs(redis.call('SMEMBERS', P .. ':queues')) do ring(queue, all) end
    end
    freed, freed_queues = {}, {}
  end

  -- Look again at what a rate holds back until now; return how many were, and when the next is to be looked at.
  local function wake(queue)
    local throttled = P .. ':throttled:' .. queue
    local due = redis.call('ZRANGEBYSCORE', throttled, '-inf', now, 'LIMIT', 0, MOST_MOVES)
    for _, member in ipairs(due) do
      redis.call('ZREM', throttled, member)
      local name, key = string.match(member, '^([^:]*):?(.*)$')
      local rule = rule_or_none(name)
      if key ~= '' then mark_key(queue, name, rule, key) end
      mark_helper(queue, name, rule)
    end
    return #due
  end

  -- When a claim is to ask again, ms: at once if there was too much to put right, soon if a thread was wanted, or when
  -- a rate allows a start.
  local function next_look(queue)
    if moves >= MOST_MOVES or holds >= MOST_MOVES then return now end
    if wants_thread then return now + THREAD_SOON end
    local first = redis.call('ZRANGE', P .. ':throttled:' .. queue, 0, 0, 'WITHSCORES')
    return first[2] and tonumber(first[2])
  end

  -- How many more of a queue may be in hand.
  local function room_in(queue)
    local room, most, all = math.huge, rule_of_queue(queue).most, most_of_all
    if most > 0 then room = most - tonumber(redis.call('HGET', P .. ':perqueue', queue) or 0) end
    if all > 0 then room = math.min(room, all - redis.call('HLEN', P .. ':inhand')) end
    return math.max(0, room)
  end

  -- How many wait under limits in a queue.
  local function depth_of(queue)
    local noted = counts[queue] and counts[queue].limited or 0
    return tonumber(redis.call('HGET', P .. ':count:' .. queue, 'limited') or 0) + noted
  end

  -- Take up to so many ids out of the tree of a queue, in no order.
  local function pop_any(queue, most)
    local ids = {}
    each_helper(function(name, rule)
      local keys, blocked = P .. ':keys:' .. queue .. ':' .. name, P .. ':blocked:' .. queue .. ':' .. name
      while #ids < most and redis.call('HEXISTS', P .. ':waits:' .. name, queue) == 1 do
        local key = redis.call('ZRANGE', keys, 0, 0)[1] or redis.call('SRANDMEMBER', blocked)
        if not key then return end
        local set = P .. ':limited:' .. queue .. ':' .. name .. ':' .. key
        local popped = redis.call('ZPOPMIN', set, most - #ids)
        for i = 1, #popped, 2 do
          ids[#ids + 1] = popped[i]
          note_gone(queue, name, popped[i])
        end
        mark_key(queue, name, rule, key)
        mark_helper(queue, name, rule)
      end
    end)
    return ids
  end

  -- Look again at what holds a helper back, and at its used up keys: at each if there are few; if there are many and
  -- `all` is wanted, they are tried one by one when they come first, which a score of 0 makes them.
  local function look_again(name, all)
    local rule = rule_or_none(name)
    for _, queue in ipairs(redis.call('HKEYS', P .. ':waits:' .. name)) do
      local keys, blocked = P .. ':keys:' .. queue .. ':' .. name, P .. ':blocked:' .. queue .. ':' .. name
      if redis.call('SCARD', blocked) <= MOST_MOVES then
        for _, key in ipairs(redis.call('SMEMBERS', blocked)) do mark_key(queue, name, rule, key) end
      elseif all then
        redis.call('ZUNIONSTORE', keys, 2, keys, blocked, 'WEIGHTS', 1, 0)
        redis.call('DEL', blocked)
      end
      if mark_helper(queue, name, rule) then ring(queue, MOST_MOVES) end
    end
  end

  return {
    admit = admit, depth_of = depth_of, drop = drop, enter = enter, hold = hold, leave = leave,
    leave_unread = leave_unread, look_again = look_again, may_start = may_start, next_look = next_look,
    occupy = occupy, pop = pop, pop_any = pop_any, release = release, ring = ring,
    room_in = room_in, wake = wake,
    by_deadline = function(queue) return rule_of_queue(queue).by_deadline end,
    is_limited = function(helper) return rule_of(name_of(helper)) and true end,
  }
end

if redis.call('EXISTS', P .. ':rules') == 1 then limits = open_limits() end
