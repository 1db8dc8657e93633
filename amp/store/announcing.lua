#!lua name=amp_announcing_v1
-- KEYS: the versions that are announced, in a slot of their own: the publication comes first, and others may come
-- between. ARGV: what has a new version, which one. Replies the version that is announced: it never goes back.
local function announce(keys, args)
  local told = tonumber(redis.call('HGET', keys[1], args[1]) or '0')
  if told >= tonumber(args[2]) then return told end
  redis.call('HSET', keys[1], args[1], args[2])
  return tonumber(args[2])
end

redis.register_function('amp_announce_v1', announce)
