-- A record: numbers of a fixed size, names, what never changes, and what is only there once there is something to say.
-- The numbers are changed in place; byte 1 is the format version, bytes 2 to 6 are all that a claim changes, bytes 21
-- to 38 what enqueueing works out. A name is its length (one byte) and its bytes. The other two parts are msgpack
-- arrays, the last one empty at first; unknown places behind those that are known survive in both.
-- store/record.py has the same table.
local FORMAT = '\2'
local NUMBERS, NUMBERS_BYTES = '<c1c1I4BBI4I4I4I6I6i6I6I6I6', 56
local ALL = NUMBERS .. 'Bc0Bc0Bc0Bc0Bc0I4'
local STATUS, DELIVERY, PRIORITY, LOST, ATTEMPT, MAX_ATTEMPTS, COUNT = 2, 3, 4, 5, 6, 7, 8
local DUE, ENQUEUED, EXPIRES, STARTED, FINISHED, PLANNED = 9, 10, 11, 12, 13, 14
local HELPER, QUEUE, OVERLAP, KEY, UNIQUE = 15, 16, 17, 18, 19
local REASON, RESULT, ERRORS = 20, 21, 22
-- The bytes behind the numbers but for the tail, the tail as it was read (nil: not written yet), and the tail's array.
local FIXED, TAIL, SAID = 23, 24, 25
-- Places of what never changes, and of what is said.
local CALL, BODY, CALLED = 1, 5, 6
-- The last instant that a record can hold, ms.
local FAR = 2 ^ 47 - 1
local QUEUED, RUNNING, WAITING = 'q', 'r', 'w'
local SUCCESS, ERROR, EXPIRED, CANCELLED, SKIPPED = 's', 'e', 'x', 'c', 'k'

-- What the tail says. A function of its own: most records have none.
local function read_tail(tail)
  local said = cmsgpack.unpack(tail)
  if type(said[1]) ~= 'string' or type(said[2]) ~= 'string' or type(said[3]) ~= 'table' then
    error('not what a record says')
  end
  return said
end

-- One table constructor, which has its final size at once, takes a third of the time of filling a table.
local function build(raw, format, status, delivery, priority, lost, attempt, max_attempts, count, due, enqueued, expires,
    started, finished, planned, helper, queue, overlap, key, unique, length, start)
  if format ~= FORMAT or #raw < start + length - 1 then error('not a record') end
  local tail = string.sub(raw, start + length)
  local said = tail ~= '' and read_tail(tail) or nil
  return {
    format, status, delivery, priority, lost, attempt, max_attempts, count, due, enqueued, expires, started, finished,
    planned, helper, queue, overlap, key, unique, said and said[1] or '', said and said[2] or '', said and said[3] or {},
    string.sub(raw, NUMBERS_BYTES + 1, start + length - 1), tail, said
  }
end

-- The record that the text holds; raises an error where it holds none.
local function decode(raw)
  return build(raw, struct.unpack(ALL, raw))
end

-- A record of schema 1, which was one msgpack array with a token at 14, as one of this format.
local function convert(old)
  for _, i in ipairs({1, 2, 3, 15, 16, 17, 18, 19, 21, 22, 23}) do
    if type(old[i]) ~= 'string' then error('not a record') end
  end
  local numbers = struct.pack(NUMBERS, FORMAT, old[1], old[13], old[4], old[25], old[11], old[12], old[24], old[6], old[7],
    old[10], old[8], old[9], old[5])
  local names = ''
  for _, name in ipairs({old[2], old[3], old[23], '', ''}) do names = names .. string.char(#name) .. name end
  local constants = cmsgpack.pack({old[22], old[16], old[17], old[21], old[18]})
  local tail = cmsgpack.pack({old[15], old[19], old[20]})
  return numbers .. names .. struct.pack('<I4', #constants) .. constants .. tail
end

-- Write a record anew that schema 1 wrote; false where there is none.
local function renew(id)
  local key = P .. ':x:' .. id
  local raw = redis.pcall('GET', key)
  if type(raw) ~= 'string' or string.byte(raw) ~= 1 then return false end
  local ok, renewed = pcall(function() return convert(cmsgpack.unpack(string.sub(raw, 2))) end)
  if not ok or not pcall(decode, renewed) then return false end
  redis.call('SET', key, renewed)
  if decode(renewed)[FINISHED] > 0 then history_bytes = history_bytes + #renewed - #raw end
  return true
end

-- The record of an id, or nil when there is none; a value that can't be read is reported as false.
local function load_record(id)
  local raw = redis.pcall('GET', P .. ':x:' .. id)
  if type(raw) == 'table' then return false end
  if not raw then return nil end
  local ok, rec = pcall(decode, raw)
  if not ok and renew(id) then return decode(redis.call('GET', P .. ':x:' .. id)) end
  return ok and rec
end

-- The record that a caller's bytes hold, to be brought in.
local function new_record(raw)
  local rec = decode(raw)
  rec[TAIL] = nil
  return rec
end

local function pack_numbers(rec)
  return struct.pack(NUMBERS, rec[1], rec[2], rec[3], rec[4], rec[5], rec[6], rec[7], rec[8], rec[9], rec[10], rec[11],
    rec[12], rec[13], rec[14])
end

local function pack_tail(rec)
  local reason, result, errors, said = rec[REASON], rec[RESULT], rec[ERRORS], rec[SAID]
  if not said then
    if reason == '' and result == '' and #errors == 0 then return '' end
    said = {}
  end
  said[1], said[2], said[3] = reason, result, errors
  return cmsgpack.pack(said)
end

-- Write a record, or only its numbers where nothing else changed; return its size in bytes.
local function save_record(id, rec)
  local tail, key = pack_tail(rec), P .. ':x:' .. id
  if tail == rec[TAIL] then
    redis.call('SETRANGE', key, 0, pack_numbers(rec))
  else
    redis.call('SET', key, pack_numbers(rec) .. rec[FIXED] .. tail)
    rec[TAIL] = tail
  end
  return NUMBERS_BYTES + #rec[FIXED] + #tail
end

-- Where what never changes begins in a record's FIXED.
local function find_constants(rec)
  return 1 + 5 + #rec[HELPER] + #rec[QUEUE] + #rec[OVERLAP] + #rec[KEY] + #rec[UNIQUE] + 4
end

-- What never changes, by the places CALL and BODY.
local function read_constants(rec)
  return cmsgpack.unpack(string.sub(rec[FIXED], find_constants(rec)))
end

-- Whether somebody wants to be called when it ends. Most records have no place for that: then one byte, the array's
-- length, tells, and its body needn't be read.
local function is_called(rec)
  return string.byte(rec[FIXED], find_constants(rec)) > 0x95 and read_constants(rec)[CALLED] == '1'
end

-- Give a record another body.
local function replace_body(rec, body)
  local constants, start = read_constants(rec), find_constants(rec)
  constants[BODY] = body
  local packed = cmsgpack.pack(constants)
  rec[FIXED] = string.sub(rec[FIXED], 1, start - 5) .. struct.pack('<I4', #packed) .. packed
  rec[TAIL] = nil
end

-- Keep an attempt's error, JSON: the first and the last two tell the story, the rest only costs memory, and goes
-- to the archive where there is one.
local MOST_ATTEMPTS = 1000
local function add_error(id, rec, text)
  if text == '' then return end
  local errors = rec[ERRORS]
  if #errors < 3 then
    errors[#errors + 1] = text
    return
  end
  if redis.call('EXISTS', P .. ':archived') == 1 then
    redis.call('XADD', P .. ':attempts', 'MAXLEN', '~', MOST_ATTEMPTS, '*', 'i', id, 'e', errors[2])
  end
  errors[2], errors[3] = errors[3], text
end

-- The same for what no Python code could say any more; the letters are those of `pack_error`.
local function add_own_error(id, rec, kind, text)
  add_error(id, rec, cjson.encode({t = kind, m = text, b = '', a = rec[ATTEMPT], d = now}))
end
