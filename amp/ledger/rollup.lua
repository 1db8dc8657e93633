#!lua name=amp_ledger_rollup_v1
-- The sums that reports are made of. They can be worked out again from the entries at any time. KEYS of both:
-- version, cells (cell -> sums), cursors (bucket -> entries that are in the cells), touched (cell by the version that
-- last changed it).

local CHUNK = 2000 -- what unpack can take is bounded

-- ARGV: the version that the caller holds, 0 for none.
-- Replies the version, the cursors, and the cells that changed since, as fields and values in turn.
local function read(keys, args)
  local version, since = redis.call('GET', keys[1]) or '0', tonumber(args[1])
  local cursors = redis.call('HGETALL', keys[3])
  if since == 0 then return { version, cursors, redis.call('HGETALL', keys[2]) } end
  if since == tonumber(version) then return { version, cursors, {} } end
  local names = redis.call('ZRANGEBYSCORE', keys[4], '(' .. args[1], '+inf')
  local cells = {}
  for first = 1, #names, CHUNK do
    local last = math.min(first + CHUNK - 1, #names)
    local sums = redis.call('HMGET', keys[2], unpack(names, first, last))
    for i = first, last do
      cells[#cells + 1] = names[i]
      cells[#cells + 1] = sums[i - first + 1]
    end
  end
  return { version, cursors, cells }
end

-- ARGV: the version that the sums were worked out from, how many cursors follow, buckets and cursors in turn, cells and
-- sums in turn. Replies 1 and the version that stands now; 0 and the version that does when another came first.
local function commit(keys, args)
  local standing = tonumber(redis.call('GET', keys[1]) or '0')
  if standing ~= tonumber(args[1]) then return { 0, standing } end
  local version = string.format('%.0f', standing + 1)
  local cells = 3 + 2 * tonumber(args[2])
  for i = 3, cells - 1, 2 do redis.call('HSET', keys[3], args[i], args[i + 1]) end
  for i = cells, #args, 2 do
    redis.call('HSET', keys[2], args[i], args[i + 1])
    redis.call('ZADD', keys[4], version, args[i])
  end
  redis.call('SET', keys[1], version)
  return { 1, standing + 1 }
end

-- KEYS: hashes of jobs. ARGV: fields and what they must be, in turn; '' is that they must be missing.
-- Replies JSON: for each job its fields and values in turn, or false when it is not such a one.
local function look(keys, args)
  local names, found = {}, {}
  for i = 1, #args, 2 do names[#names + 1] = args[i] end
  for number = 1, #keys do
    local fits, values = true, #names > 0 and redis.call('HMGET', keys[number], unpack(names)) or {}
    for i = 1, #names do fits = fits and (values[i] or '') == args[2 * i] end
    local all = fits and redis.call('HGETALL', keys[number]) or {}
    found[number] = #all > 0 and all or false
  end
  return cjson.encode(found)
end

redis.register_function('amp_ledger_read_v1', read)
redis.register_function('amp_ledger_look_v1', look)
redis.register_function('amp_ledger_commit_v1', commit)
