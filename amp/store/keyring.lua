#!lua name=amp_keyring_v1
-- KEYS: the table (hash of the key's HMAC to its record), its version. ARGV: HMAC and record in turn.
-- The version moves with the table, so a worker that polls it misses nothing.
redis.register_function('amp_keyring_put_v1', function(keys, args)
  redis.call('HSET', keys[1], unpack(args))
  return redis.call('INCR', keys[2])
end)
