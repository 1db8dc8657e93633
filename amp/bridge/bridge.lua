#!lua name=amp_bridge_v1
-- Who carries words across the bridge, and each tenant's mapping.

-- KEYS: the lease. ARGV: owner, ms. One owner leads as long as it keeps asking.
local function lease(keys, args)
  local owner = redis.call('GET', keys[1])
  if owner and owner ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end

-- KEYS: the lease. ARGV: owner. Only its owner gives it up.
local function release(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  return redis.call('DEL', keys[1])
end

-- KEYS: the tenant's mapping version, the new document. ARGV: version, document. A tenant without its own stands at
-- 1. Replies 1 when it is published and 0 when another came first, then the version that stands.
local function rule(keys, args)
  local version, standing = tonumber(args[1]), tonumber(redis.call('GET', keys[1]) or '1')
  if standing ~= version - 1 then return { 0, standing } end
  redis.call('SET', keys[2], args[2])
  redis.call('SET', keys[1], args[1])
  return { 1, version }
end

-- KEYS: a box, what the bridge has done for the tenant's bucket. ARGV: number of items, their ids, then what came of
-- them, as fields and counts in turn. What another has taken out already is not counted again.
local function heard(keys, args)
  local many = tonumber(args[1])
  local ids = {}
  for i = 2, many + 1 do ids[#ids + 1] = args[i] end
  if redis.call('XDEL', keys[1], unpack(ids)) ~= many then return 0 end
  for i = many + 2, #args, 2 do redis.call('HINCRBY', keys[2], args[i], args[i + 1]) end
  return 1
end

redis.register_function('amp_bridge_lease_v1', lease)
redis.register_function('amp_bridge_release_v1', release)
redis.register_function('amp_bridge_rule_v1', rule)
redis.register_function('amp_bridge_heard_v1', heard)
