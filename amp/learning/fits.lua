#!lua name=amp_fits_v1
-- Of fits and of the workers that decide with them. Every function validates first and writes last; KEYS come
-- from store/keys.py. Times are milliseconds since 1970, by the store's clock.

local WORKER_FORGOTTEN_MS = 60000

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The first of the keys holds the tenant's fits, the newest first.
local function append(keys, record, kept)
  if redis.call('LINDEX', keys[1], 0) == record then return end -- sent again
  redis.call('LPUSH', keys[1], record)
  redis.call('LTRIM', keys[1], 0, kept - 1)
end

-- KEYS: the tenant's fits, its hold on fits. ARGV: the record, how many are kept, 1 to end the hold.
local function remember(keys, args)
  if args[3] == '1' then redis.call('DEL', keys[2]) end
  append(keys, args[1], tonumber(args[2]))
  return 1
end

-- KEYS: the tenant's fits, its hold on fits, its prior version, the prior that comes, the one that stands.
-- ARGV: the record, how many are kept, the version that comes, its prior, ms that the one that stood stays.
-- Replies 1 and the version when it stands; 0 and the version that does, when another came first.
local function rollback(keys, args)
  local version, standing = tonumber(args[3]), tonumber(redis.call('GET', keys[3]) or '0')
  if standing ~= version - 1 then return { 0, standing } end
  redis.call('SET', keys[4], args[4])
  redis.call('SET', keys[3], args[3])
  redis.call('PEXPIRE', keys[5], args[5])
  redis.call('SET', keys[2], args[3])
  append(keys, args[1], tonumber(args[2]))
  return { 1, version }
end

-- KEYS: the workers. ARGV: worker, the versions that it holds as JSON. Those long silent are forgotten.
local function announce(keys, args)
  local now, all = now_ms(), redis.call('HGETALL', keys[1])
  for i = 1, #all, 2 do
    local at = tonumber(all[i + 1]:match('^%d+'))
    if not at or now - at > WORKER_FORGOTTEN_MS then redis.call('HDEL', keys[1], all[i]) end
  end
  redis.call('HSET', keys[1], args[1], string.format('%.0f', now) .. ' ' .. args[2])
  return 1
end

-- KEYS: the tenant's task names. ARGV: hashes and names in turn, which are all there are from now on.
local function name(keys, args)
  redis.call('DEL', keys[1])
  for i = 1, #args, 2 do redis.call('HSET', keys[1], args[i], args[i + 1]) end
  return #args / 2
end

redis.register_function('amp_fits_remember_v1', remember)
redis.register_function('amp_fits_rollback_v1', rollback)
redis.register_function('amp_fits_announce_v1', announce)
redis.register_function('amp_fits_name_v1', name)
