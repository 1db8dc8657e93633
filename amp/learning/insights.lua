#!lua name=amp_insights_v1
-- What workers counted. A worker writes what it has counted since it started, so writing it again is safe.

-- KEYS: the counts of one tenant and day. ARGV: worker, counts, when the day is forgotten (ms since 1970).
local function count(keys, args)
  redis.call('HSET', keys[1], args[1], args[2])
  redis.call('PEXPIREAT', keys[1], args[3])
  return 'counted'
end

redis.register_function('amp_insights_count_v1', count)
