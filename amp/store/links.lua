#!lua name=amp_links_v1
-- KEYS: one sign-in link, named by its token's digest.

-- ARGV: what it opens, how many ms it stays.
local function put(keys, args)
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return 1
end

-- Replies what it opened; from now on it opens nothing.
local function take(keys)
  local found = redis.call('GET', keys[1])
  redis.call('DEL', keys[1])
  return found
end

redis.register_function('amp_links_put_v1', put)
redis.register_function('amp_links_take_v1', take)
