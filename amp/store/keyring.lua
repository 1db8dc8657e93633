#!lua name=amp_keyring_v1
-- KEYS: the table (hash of the key's HMAC to its record), its version.
-- The version moves with the table, so a worker that polls it misses nothing.

-- ARGV: HMAC and record in turn.
local function put(keys, args)
  redis.call('HSET', keys[1], unpack(args))
  return redis.call('INCR', keys[2])
end

-- ARGV: HMAC and record as it was read, then what to put. Replies 0, and puts nothing, when it is no longer so.
local function change(keys, args)
  if redis.call('HGET', keys[1], args[1]) ~= args[2] then return 0 end
  return put(keys, { unpack(args, 3) })
end

redis.register_function('amp_keyring_put_v1', put)
redis.register_function('amp_keyring_change_v1', change)
