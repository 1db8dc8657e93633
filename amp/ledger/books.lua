#!lua name=amp_ledger_books_v2
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

redis.register_function('amp_ledger_publish_v2', publish)
