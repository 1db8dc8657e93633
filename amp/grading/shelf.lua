#!lua name=amp_grading_shelf_v1
-- What is kept beside sessions: agents, environments, files, work. A change names the version it was made from.
-- KEYS: the item (hash: v version, d document, d<n> the documents of the versions before), then sorted sets of the
-- tenant's items by the time they were made.

-- ARGV: the version it was made from (0 makes it), the document, us of making, id, '1' to keep the version before, then
-- for each sorted set '1' when the item belongs into it.
-- Replies 1 when it is put; also when the very same was put before. 0 when another version stands.
local function put(keys, args)
  local standing = redis.call('HGET', keys[1], 'v') or '0'
  if standing ~= args[1] then
    local same = tonumber(standing) == tonumber(args[1]) + 1 and redis.call('HGET', keys[1], 'd') == args[2]
    return same and 1 or 0
  end
  if args[5] == '1' and standing ~= '0' then
    redis.call('HSET', keys[1], 'd' .. standing, redis.call('HGET', keys[1], 'd'))
  end
  redis.call('HSET', keys[1], 'v', string.format('%.0f', tonumber(standing) + 1), 'd', args[2])
  for i = 2, #keys do
    if args[4 + i] == '1' then
      redis.call('ZADD', keys[i], args[3], args[4])
    else
      redis.call('ZREM', keys[i], args[4])
    end
  end
  return 1
end

-- ARGV: id. Replies 1 when there was one.
local function drop(keys, args)
  for i = 2, #keys do redis.call('ZREM', keys[i], args[1]) end
  return redis.call('DEL', keys[1])
end

redis.register_function('amp_grading_put_v1', put)
redis.register_function('amp_grading_drop_v1', drop)
