#!lua name=amp_ledger_books_v1
-- Documents of a tenant, one a version: prices, tools, rates. The next version stands if the one before does.

-- KEYS: the version that stands, the document of the version that comes. ARGV: that version, its document.
-- Replies 1 and the version when it stands (also when the same was sent before), 0 and the version that does.
local function publish(keys, args)
  local version, standing = tonumber(args[1]), tonumber(redis.call('GET', keys[1]) or '0')
  if standing == version and redis.call('GET', keys[2]) == args[2] then return { 1, standing } end
  if standing ~= version - 1 then return { 0, standing } end
  redis.call('SET', keys[2], args[2])
  redis.call('SET', keys[1], args[1])
  return { 1, version }
end

-- KEYS: the versions that are announced, in a slot of their own: the publication comes first, and others may come
-- between. ARGV: whose document of which kind, its version. Replies the version that is announced: it never goes back.
local function announce(keys, args)
  local told = tonumber(redis.call('HGET', keys[1], args[1]) or '0')
  if told >= tonumber(args[2]) then return told end
  redis.call('HSET', keys[1], args[1], args[2])
  return tonumber(args[2])
end

redis.register_function('amp_ledger_publish_v1', publish)
redis.register_function('amp_ledger_announce_v1', announce)
