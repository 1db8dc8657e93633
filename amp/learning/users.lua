#!lua name=amp_users_v1
-- Who was heard of last, a few of each bucket: a sorted set beside the bucket's users (keys.py, recent_users).

-- KEYS: the user's record, the bucket's recent users. ARGV: user, milliseconds since 1970, how many to keep.
-- Only who is known is listed: bytes 9 to 14 of a record say since when, and an erasure leaves 0 there
-- (store.lua), so that nobody who was erased meanwhile comes back. Replies whether the user is listed.
local function seen(keys, args)
  local since = redis.call('GETRANGE', keys[1], 8, 13)
  if since == '' or since == string.rep('\0', 6) then return 0 end
  redis.call('ZADD', keys[2], args[2], args[1])
  redis.call('ZREMRANGEBYRANK', keys[2], 0, -1 - tonumber(args[3]))
  return 1
end

redis.register_function('amp_users_seen_v1', seen)
