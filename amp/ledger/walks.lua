#!lua name=amp_ledger_walks_v1
-- Walks over a tenant's chains that a page asked for. KEYS of both: the lease, how the last walk stands. ARGV: owner,
-- how the walk stands, ms. Whoever does not hold the lease changes neither. Nothing in this room deletes: '' is none.

local function walk(keys, args)
  local owner = redis.call('GET', keys[1])
  if owner and owner ~= '' and owner ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[1], 'PX', args[3])
  redis.call('SET', keys[2], args[2])
  return 1
end

-- Without the ms. Only its owner gives it up; of a walk that came to its end nothing stands.
local function ended(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  redis.call('SET', keys[2], args[2])
  redis.call('SET', keys[1], '')
  return 1
end

redis.register_function('amp_ledger_walk_v1', walk)
redis.register_function('amp_ledger_walk_ended_v1', ended)
